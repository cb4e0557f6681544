"""The replication channel of an instance: look at it, stop it, start it, attach it to a source, detach it.

Every verb looks first, acts through RDS's procedures only if something is missing, and believes nothing but a second look:
the procedures report some refusals as ordinary result sets.
"""

from __future__ import annotations

from dataclasses import dataclass

from foundation.errors import NeedsHuman, Refused
from foundation.waiting import Progress, Wait, silent, until
from replication.accounts import OUR_USERS, REPLICATION_USER, REVERSE_USER
from replication.coordinates import Coordinates
from replication.dialect import dialect_of
from replication.session import Credentials, Endpoint, Row, Session
from replication.trouble import Follower, diagnosis, hopeless

__all__ = ["ReplicaStatus", "attach", "detach", "run_until", "start", "status", "stop"]

_SETTLE = 60.0
_FOLLOWERS = {REPLICATION_USER: Follower.ENCRYPTED, REVERSE_USER: Follower.OLD}


@dataclass(frozen=True)
class ReplicaStatus:
    """What SHOW REPLICA STATUS says, in words that do not depend on the version.

    ``seconds_behind`` is ``None`` while not replicating; zero proves nothing by itself.
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
    """Whether the applier is to stop at given coordinates."""

    @property
    def follower(self) -> Follower:
        """Who follows whom, by the account that the channel uses."""
        return _FOLLOWERS.get(self.source_user, Follower.REPLICA)

    @property
    def ours(self) -> bool:
        """Whether this migration set the channel up; anybody else's is not ours to touch."""
        return self.source_user in OUR_USERS

    @property
    def running(self) -> bool:
        """Whether both threads run and the connection to the source stands."""
        return self.io_running == "Yes" and self.sql_running

    @property
    def stopped(self) -> bool:
        """Whether both threads have come to a halt."""
        return self.io_running == "No" and not self.sql_running

    @property
    def connecting(self) -> bool:
        """Whether the connection to the source is coming up, or up again, by itself."""
        return self.io_running not in {"Yes", "No"} and self.sql_running

    @property
    def error(self) -> str:
        """The error that keeps a thread from running, or an empty string."""
        return self.sql_error or self.io_error

    @property
    def fatal_error(self) -> str | None:
        """The error that a thread has given up on; one that it is still retrying does not count."""
        if self.sql_error and not self.sql_running:
            return self.sql_error
        return self.io_error if self.io_error and self.io_running == "No" else None

    def failure(self, endpoint: Endpoint) -> NeedsHuman | None:
        """What keeps the instance at ``endpoint`` from following until somebody acts, if anything does."""
        error = self.fatal_error or (self.io_error if hopeless(self.io_error) else "")
        return diagnosis(error, endpoint, self.follower) if error else None

    def __str__(self) -> str:
        state = "running" if self.running else "stopped" if self.stopped else "connecting"
        return f"{state} at {self.executed}" + (f", error {self.error}" if self.error else "")


def status(session: Session) -> ReplicaStatus | None:
    """Return the status of the instance's channel, or ``None`` if it follows nobody."""
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
        executed=Coordinates(row[words.executed_file], int(row[words.executed_position])),
        read=Coordinates(row[words.read_file], int(row[words.read_position])),
        seconds_behind=None if lag is None else int(lag),
        io_error=_error(row, "Last_IO_Errno", "Last_IO_Error"),
        sql_error=_error(row, "Last_SQL_Errno", "Last_SQL_Error"),
        auto_position=bool(int(row["Auto_Position"])),
        until=row["Until_Condition"] != "None",
    )


def stop(session: Session) -> ReplicaStatus:
    """Stop both threads and return the status in which they stand still.

    Raises:
        NeedsHuman: the instance follows nobody.
        TimedOut: a thread would not stop.
    """
    if not _required(session).stopped:
        session.call("mysql.rds_stop_replication")
    return until(
        Wait(f"replication to stop on {session.endpoint}", deadline=_SETTLE, first=0.05, longest=1.0),
        lambda: _required(session),
        done=lambda seen: seen.stopped,
        describe=str,
    )


def start(session: Session) -> ReplicaStatus:
    """Start both threads, without an end, and return the status in which they run.

    Raises:
        NeedsHuman: the instance follows nobody, or a thread fails with an error.
        TimedOut: the connection to the source did not come up.
    """
    found = _required(session)
    if not found.stopped and (found.until or not (found.running or found.connecting)):
        found = stop(session)
    # RDS refuses to start what is started by half; a connection that is coming up needs nothing but time.
    if found.stopped:
        _start_threads(session)
    return until(
        Wait(f"replication to run on {session.endpoint}", deadline=_SETTLE, first=0.05, longest=1.0),
        lambda: _required(session),
        done=lambda seen: seen.running,
        failed=lambda seen: seen.failure(session.endpoint),
        describe=str,
    )


def run_until(
    session: Session, coordinates: Coordinates, *, deadline: float, progress: Progress = silent
) -> ReplicaStatus:
    """Let a stopped instance execute everything up to ``coordinates``, and return the status in which it stands still there.

    Raises:
        NeedsHuman: the instance follows nobody, or replication fails.
        TimedOut: it did not get there within ``deadline`` seconds.
    """
    if _required(session).executed < coordinates:
        session.call("mysql.rds_start_replication_until", coordinates.file, coordinates.position)
        until(
            Wait(f"{session.endpoint} to execute {coordinates}", deadline=deadline, first=0.05, longest=2.0),
            lambda: _required(session),
            done=lambda seen: seen.executed >= coordinates,
            failed=lambda seen: seen.failure(session.endpoint),
            describe=str,
            progress=progress,
        )
    return stop(session)


def attach(
    session: Session, source: Endpoint, account: Credentials, coordinates: Coordinates
) -> ReplicaStatus:
    """Make the instance follow ``source`` from ``coordinates`` on, over TLS, and return its status (not yet started).

    Raises:
        Refused: the instance follows somebody else, or RDS does not allow it an external source.
    """
    present = status(session)
    if present is not None and present.source_host != source.host:
        raise Refused(
            f"the instance already follows {present.source_host}",
            where=f"MySQL at {session.endpoint}",
            fix=f"Find out who set that up, and CALL {dialect_of(session).reset_external} if it is not needed",
        )
    if present is not None and not present.stopped:
        stop(session)
    answer = session.call(
        dialect_of(session).set_external,
        source.host,
        source.port,
        account.user,
        account.password,
        coordinates.file,
        coordinates.position,
        1,
    )
    attached = status(session)
    if attached is None or (attached.source_host, attached.executed) != (source.host, coordinates):
        raise NeedsHuman(
            f"RDS did not set the external source; it said: {_said(answer)}",
            where=f"MySQL at {session.endpoint}",
            fix="Check that the instance is no RDS-managed replica",
        )
    return attached


def detach(session: Session) -> None:
    """Make the instance follow nobody; what it has executed stays.

    Raises:
        NeedsHuman: RDS refused.
    """
    if status(session) is None:
        return
    answer = session.call(dialect_of(session).reset_external)
    left = status(session)
    if left is not None:
        raise NeedsHuman(
            f"the instance still follows {left.source_host}; RDS said: {_said(answer)}",
            where=f"MySQL at {session.endpoint}",
            fix=f"CALL {dialect_of(session).reset_external} by hand and look at its answer",
        )


def _start_threads(session: Session) -> None:
    """Start both threads; RDS says whether that came to an error, the status tells which, and whether MySQL tries again."""
    try:
        session.call("mysql.rds_start_replication")
    except NeedsHuman:
        seen = _required(session)
        if not (seen.running or seen.connecting or seen.failure(session.endpoint)):
            raise


def _required(session: Session) -> ReplicaStatus:
    found = status(session)
    if found is None:
        raise NeedsHuman(
            "the instance follows nobody, though it should",
            where=f"MySQL at {session.endpoint}",
            fix="Somebody may have reset or promoted it: destroy the stack in phase `replicate` and start over",
        )
    return found


def _error(row: Row, number: str, text: str) -> str:
    return f"{row[number]}: {row[text]}" if int(row[number] or 0) else ""


def _said(answer: list[Row]) -> str:
    return "; ".join(str(value) for row in answer for value in row.values()) or "nothing"
