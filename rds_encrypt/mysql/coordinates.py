"""Binlog coordinates: a position in a server's history of changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import total_ordering

from rds_encrypt.core.errors import ActionRequired, Bug
from rds_encrypt.mysql.bookkeeping import Change, changes
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Row, Session

__all__ = ["Coordinates", "bytes_between", "current", "lie_together", "schema_written_since", "wrote_since"]

_TABLE = "SELECT 1 AS present FROM information_schema.tables WHERE table_schema = %s AND LOWER(table_name) = LOWER(%s)"
"""Finds a table or a view, never a temporary table."""


@total_ordering
@dataclass(frozen=True)
class Coordinates:
    """A binlog file and a byte position in it.

    Coordinates of one server are ordered. Comparing those of different servers is meaningless, and this class cannot detect it. A replica
    that has never reached its source has no file yet, and sorts before everything.
    """

    file: str
    position: int

    def __lt__(self, other: Coordinates) -> bool:
        return self._key() < other._key()

    def __str__(self) -> str:
        return f"{self.file}:{self.position}" if self.file else "no coordinates yet"

    @classmethod
    def parse(cls, text: str) -> Coordinates:
        """Parse the output of ``str``.

        Raises:
            Bug: the text is not ``file:position``.
        """
        file, _, position = text.rpartition(":")
        if not file or not position.isdigit():
            raise Bug(f"{text!r} is not a pair of binlog coordinates")
        return cls(file, int(position))

    @property
    def known(self) -> bool:
        """Whether these are coordinates at all."""
        return bool(self.file)

    def _key(self) -> tuple[int, int]:
        if not self.known:
            return -1, 0
        # The numeric suffix can exceed six digits, and as text .1000000 would sort before .999999.
        suffix = re.search(r"(\d+)$", self.file)
        if suffix is None:
            raise Bug(f"binlog file {self.file!r} has no number")
        return int(suffix.group(1)), self.position


def current(session: Session) -> Coordinates:
    """Return the current coordinates of the server's own binlog.

    Raises:
        ActionRequired: the server writes no binlog (on RDS: automated backups are off).
    """
    row = session.row(dialect_of(session).binlog_status)
    if row is None or not row["File"]:
        raise ActionRequired(
            "binary logging is off",
            where=f"MySQL at {session.endpoint}",
            fix="Set the instance's backup retention period to at least 1 day",
        )
    return Coordinates(row["File"], int(row["Position"]))


def bytes_between(session: Session, executed: Coordinates) -> int:
    """Return how many bytes of the source's binlog lie beyond ``executed``; ``session`` is the source's."""
    behind = 0
    for log in session.rows("SHOW BINARY LOGS"):
        start = Coordinates(log["Log_name"], 0)
        if start.file == executed.file:
            behind += max(0, int(log["File_size"]) - executed.position)
        elif start > executed:
            behind += int(log["File_size"])
    return behind


def wrote_since(session: Session, since: Coordinates) -> bool:
    """Return whether anyone but RDS has written to the server since ``since``.

    Coordinates alone do not show it: RDS starts a new binlog file every few minutes even without writes, and writes itself. Nor does
    the binlog alone: MySQL may log changes of temporary tables, which read_only allows.

    Raises:
        ActionRequired: the binlogs since then are gone.
    """
    return any(not _of_temporary_table(session, change) for change in _changes(session, since))


def schema_written_since(session: Session, since: Coordinates) -> str | None:
    """Return the schema of a table that an application of this server certainly changed since ``since``; ``None`` if there is none.

    Unlike ``wrote_since``, it leaves out unknown changes, such as statements that RDS may run when it restarts MySQL, and what the
    server has replicated, which has the id of its origin: RDS's agent may start a channel after a restart.

    Raises:
        ActionRequired: the binlogs since then are gone.
    """
    for change in _changes(session, since, server_id=int(session.value("SELECT @@server_id"))):
        if change.table is None or change.schema in SYSTEM_SCHEMAS:
            continue
        if not _of_temporary_table(session, change):
            return change.schema
    return None


def _changes(session: Session, since: Coordinates, *, server_id: int | None = None) -> Iterator[Change]:
    """Yield each change once, though thousands of statements may have made it; with ``server_id``, only those that began there."""
    known: set[Change] = set()
    for events in _events(session, since):
        for change in changes(event for event in events if server_id in {None, event["Server_id"]}):
            if change not in known:
                known.add(change)
                yield change


def _of_temporary_table(session: Session, change: Change) -> bool:
    """Return whether it is a statement about a table of which only a session knows."""
    if not change.by_statement:
        return False
    return session.row(_TABLE, change.schema, change.table) is None


def lie_together(session: Session, one: Coordinates, other: Coordinates) -> bool:
    """Return whether no change lies between two coordinates of the server, so that followers stopped at them hold the same data.

    Raises:
        ActionRequired: the binlogs between them are gone.
    """
    first, last = sorted((one, other))
    # A few events are enough: only the end of a file and the beginning of the next precede a change.
    for events in _events(session, first, limit=_BEFORE_A_CHANGE):
        for event in events:
            if Coordinates(str(event["Log_name"]), int(event["Pos"])) >= last:
                return True
            if event["Event_type"] not in _BETWEEN_CHANGES:
                return False
        if len(events) == _BEFORE_A_CHANGE:
            return False  # unknown; this has never been observed
    return True


_BEFORE_A_CHANGE = 10
_BETWEEN_CHANGES = frozenset({"Rotate", "Format_desc", "Previous_gtids", "Stop", "Heartbeat", "Heartbeat_v2"})


def _events(session: Session, since: Coordinates, *, limit: int | None = None) -> Iterator[list[Row]]:
    """Read the server's binlog since then, file by file, at most ``limit`` events of each."""
    files = [str(log["Log_name"]) for log in session.rows("SHOW BINARY LOGS")]
    if since.file not in files:
        raise ActionRequired(
            f"its binlogs since {since} are gone, so rds-encrypt cannot tell whether anyone has written to it",
            where=f"MySQL at {session.endpoint}",
            fix="Raise `binlogRetentionHours` if they were purged too early; then start over with a new snapshot: run"
            " `pulumi destroy`, then `pulumi up`",
        )
    for file in files[files.index(since.file) :]:
        position = since.position if file == since.file else 4
        if limit is None:
            yield session.rows("SHOW BINLOG EVENTS IN %s FROM %s", file, position)
        else:
            yield session.rows("SHOW BINLOG EVENTS IN %s FROM %s LIMIT %s", file, position, limit)
