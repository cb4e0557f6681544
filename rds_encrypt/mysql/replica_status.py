"""The status of an instance's replication channel, independent of the MySQL version."""

from __future__ import annotations

from dataclasses import dataclass

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.mysql.accounts import OUR_USERS, REPLICATION_USER, REVERSE_USER
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.rds_accounts import RDS_USERS
from rds_encrypt.mysql.replication_errors import Follower, diagnosis, gave_up, hopeless
from rds_encrypt.mysql.session import Endpoint, Row, Session

__all__ = ["ReplicaStatus", "filters", "required_status", "status"]

_FIRST_WORKER_ERROR = """SELECT last_error_number AS number, last_error_message AS text
    FROM performance_schema.replication_applier_status_by_worker
    WHERE channel_name = '' AND last_error_number NOT IN (0, 3030)
    ORDER BY last_error_timestamp LIMIT 1"""
_FILTERS = (
    *("Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Do_Table", "Replicate_Ignore_Table"),
    *("Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table"),
)
_SCHEMAS_OF_RDS = {"mysql", "innodb_memcache"}
_FOLLOWERS = {REPLICATION_USER: Follower.ENCRYPTED, REVERSE_USER: Follower.OLD}


@dataclass(frozen=True)
class ReplicaStatus:
    """The output of SHOW REPLICA STATUS, independent of the MySQL version.

    ``seconds_behind`` is ``None`` while not replicating; zero alone proves nothing.
    """

    source_host: str
    source_user: str
    source_uuid: str
    io_running: str
    sql_running: bool
    executed: Coordinates
    read: Coordinates
    seconds_behind: int | None
    io_error: str
    sql_error: str
    auto_position: bool
    until: bool = False
    """Whether the applier stops at given coordinates."""
    delay: int = 0
    """Seconds that the applier stays behind on purpose."""

    @property
    def follower(self) -> Follower:
        """Who follows whom, by the account that the channel uses."""
        return _FOLLOWERS.get(self.source_user, Follower.REPLICA)

    @property
    def ours(self) -> bool:
        """Whether this migration set the channel up; rds-encrypt does not touch other channels."""
        return self.source_user in OUR_USERS

    @property
    def of_rds(self) -> bool:
        """Whether RDS set the channel up, between an instance and its read replica."""
        return self.source_user in RDS_USERS

    @property
    def running(self) -> bool:
        """Whether both threads run and the receiver is connected to the source."""
        return self.io_running == "Yes" and self.sql_running

    @property
    def stopped(self) -> bool:
        """Whether both threads have stopped."""
        return self.io_running == "No" and not self.sql_running

    @property
    def connecting(self) -> bool:
        """Whether the receiver is connecting to the source, or reconnecting, on its own."""
        return self.io_running not in {"Yes", "No"} and self.sql_running

    @property
    def gave_up(self) -> bool:
        """Whether the receiver has stopped because it could not connect for long."""
        return self.io_running == "No" and self.sql_running and gave_up(self.io_error)

    @property
    def error(self) -> str:
        """The error that keeps a thread from running, or an empty string."""
        return self.sql_error or self.io_error

    @property
    def fatal_error(self) -> str | None:
        """The error that has stopped a thread; one that it still retries does not count."""
        if self.sql_error and not self.sql_running:
            return self.sql_error
        return self.io_error if self.io_error and self.io_running == "No" else None

    def failure(self, endpoint: Endpoint) -> ActionRequired | None:
        """Return the error that stops replication to ``endpoint`` until you act, if there is one."""
        error = self.fatal_error or (self.io_error if hopeless(self.io_error) else "")
        return diagnosis(error, endpoint, self.follower) if error else None

    def __str__(self) -> str:
        state = "running" if self.running else "connecting" if self.connecting else "stopped"
        return f"{state} at {self.executed}" + (f", error {self.error}" if self.error else "")


def status(session: Session) -> ReplicaStatus | None:
    """Return the status of the instance's channel, or ``None`` if it has none."""
    words = dialect_of(session)
    row = session.row(words.replica_status)
    if row is None or not row[words.source_host]:
        return None
    lag = row[words.seconds_behind]
    return ReplicaStatus(
        source_host=row[words.source_host],
        source_user=row[words.source_user],
        source_uuid=row[words.source_uuid] or "",
        io_running=row[words.io_running],
        sql_running=row[words.sql_running] == "Yes",
        executed=Coordinates(row[words.executed_file] or "", int(row[words.executed_position] or 0)),
        read=Coordinates(row[words.read_file] or "", int(row[words.read_position] or 0)),
        seconds_behind=None if lag is None else int(lag),
        io_error=_error(row, "Last_IO_Errno", "Last_IO_Error"),
        sql_error=_worker_error(session, row) or _error(row, "Last_SQL_Errno", "Last_SQL_Error"),
        auto_position=bool(int(row["Auto_Position"])),
        until=row["Until_Condition"] != "None",
        delay=int(row.get("SQL_Delay") or 0),
    )


def filters(session: Session) -> tuple[str, ...]:
    """Return the replication filters of the instance's channel, but for those that RDS sets for its own tables.

    Source: "Configuring replication filters with MySQL", Amazon RDS User Guide; RDS's own are those of SHOW REPLICA STATUS on any
    instance.
    """
    row = session.row(dialect_of(session).replica_status) or {}
    return tuple(
        f"{column} {entry}"
        for column in _FILTERS
        for entry in str(row.get(column) or "").split(",")
        if entry and entry.partition(".")[0] not in _SCHEMAS_OF_RDS
    )


def required_status(session: Session) -> ReplicaStatus:
    """Return the status of the instance's channel.

    Raises:
        ActionRequired: the instance follows no source.
    """
    state = status(session)
    if state is None:
        raise ActionRequired(
            "the instance follows no source, though it should",
            where=f"MySQL at {session.endpoint}",
            fix="Somebody may have reset or promoted it: destroy the stack in phase `replicate` and start over",
        )
    return state


def _error(row: Row, number: str, text: str) -> str:
    return f"{row[number]}: {row[text]}" if int(row[number] or 0) else ""


def _worker_error(session: Session, row: Row) -> str:
    """Return the first error among parallel appliers, or an empty string.

    The status shows the latest one, which may come from an applier that stopped only because another had (3030,
    ER_SLAVE_WORKER_STOPPED_PREVIOUS_THD_ERROR). The text after the first semicolon may quote rows, so it stays on the server.
    """
    if not int(row["Last_SQL_Errno"] or 0) or "worker" not in row["Last_SQL_Error"].lower():
        return ""
    try:
        first = session.row(_FIRST_WORKER_ERROR)
    except ActionRequired:
        return ""  # The account may not read that table; the status still has an error.
    return f"{first['number']}: {first['text'].partition(';')[0]}" if first else ""
