"""Binlog coordinates: a place in a server's history of changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import total_ordering

from rds_encrypt.core.errors import ActionRequired, Bug
from rds_encrypt.mysql.bookkeeping import changes_of_applications
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.session import Row, Session

__all__ = ["Coordinates", "bytes_between", "current", "lie_together", "wrote_since"]


@total_ordering
@dataclass(frozen=True)
class Coordinates:
    """A binlog file and a byte position in it.

    Coordinates of one server are ordered; comparing those of different servers means nothing, and nothing here can tell. A replica that
    has never reached its source has no file yet, and is before everything.
    """

    file: str
    position: int

    def __lt__(self, other: Coordinates) -> bool:
        return self._key() < other._key()

    def __str__(self) -> str:
        return f"{self.file}:{self.position}" if self.file else "no coordinates yet"

    @classmethod
    def parse(cls, text: str) -> Coordinates:
        """Read what ``str`` wrote.

        Raises:
            Bug: the text is not ``file:position``.
        """
        file, _, position = text.rpartition(":")
        if not file or not position.isdigit():
            raise Bug(f"{text!r} is not a pair of binlog coordinates")
        return cls(file, int(position))

    @property
    def known(self) -> bool:
        """Whether there are any."""
        return bool(self.file)

    def _key(self) -> tuple[int, int]:
        if not self.known:
            return -1, 0
        # The numeric suffix grows past six digits, so text order would put .1000000 before .999999.
        suffix = re.search(r"(\d+)$", self.file)
        if suffix is None:
            raise Bug(f"binlog file {self.file!r} has no number")
        return int(suffix.group(1)), self.position


def current(session: Session) -> Coordinates:
    """Return where the server's own binlog stands now.

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
    """Whether anybody but RDS has written any change to the server since it stood at ``since``.

    Coordinates alone do not tell: RDS starts a new binlog file every few minutes, whether or not anybody writes, and writes itself.

    Raises:
        ActionRequired: the binlogs since then are not there any more, so it cannot be told.
    """
    return any(changes_of_applications(events) for events in _events(session, since))


def lie_together(session: Session, one: Coordinates, other: Coordinates) -> bool:
    """Whether no change at all lies between two coordinates of the server: then two followers that stand there hold the same.

    Raises:
        ActionRequired: the binlogs between them are not there any more.
    """
    first, last = sorted((one, other))
    # A handful is enough: what comes before a change is a file's end and the next one's beginning.
    for events in _events(session, first, limit=_BEFORE_A_CHANGE):
        for event in events:
            if Coordinates(str(event["Log_name"]), int(event["Pos"])) >= last:
                return True
            if event["Event_type"] not in _BETWEEN_CHANGES:
                return False
        if len(events) == _BEFORE_A_CHANGE:
            return False  # never seen; then it is not known
    return True


_BEFORE_A_CHANGE = 10
_BETWEEN_CHANGES = frozenset({"Rotate", "Format_desc", "Previous_gtids", "Stop", "Heartbeat", "Heartbeat_v2"})


def _events(session: Session, since: Coordinates, *, limit: int | None = None) -> Iterator[list[Row]]:
    """Read what the server has logged since then, file by file; of each no more than ``limit`` events."""
    files = [str(log["Log_name"]) for log in session.rows("SHOW BINARY LOGS")]
    if since.file not in files:
        raise ActionRequired(
            f"its binlogs since {since} are not there any more, so nobody can tell whether it was written to",
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
