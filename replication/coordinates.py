"""Binlog coordinates: a place in a server's history of changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from foundation.errors import Bug, NeedsHuman
from replication.dialect import dialect_of
from replication.session import Session

__all__ = ["Coordinates", "bytes_between", "current", "wrote_since"]

_HOUSEKEEPING = {"Rotate", "Format_desc", "Previous_gtids", "Stop", "Heartbeat"}
"""Binlog events that change no data."""


@total_ordering
@dataclass(frozen=True)
class Coordinates:
    """A binlog file and a byte position in it.

    Coordinates of one server are ordered; comparing those of different servers means nothing, and nothing here can tell.
    """

    file: str
    position: int

    def __lt__(self, other: Coordinates) -> bool:
        return self._key() < other._key()

    def __str__(self) -> str:
        return f"{self.file}:{self.position}"

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

    def _key(self) -> tuple[int, int]:
        # The numeric suffix grows past six digits, so text order would put .1000000 before .999999.
        suffix = re.search(r"(\d+)$", self.file)
        if suffix is None:
            raise Bug(f"binlog file {self.file!r} has no number")
        return int(suffix.group(1)), self.position


def current(session: Session) -> Coordinates:
    """Return where the server's own binlog stands now.

    Raises:
        NeedsHuman: the server writes no binlog (on RDS: automated backups are off).
    """
    row = session.row(dialect_of(session).binlog_status)
    if row is None or not row["File"]:
        raise NeedsHuman(
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
    """Whether the server has written any change since it stood at ``since``.

    Coordinates alone do not tell: RDS starts a new binlog file every few minutes, whether or not anybody writes.
    """
    for log in session.rows("SHOW BINARY LOGS"):
        file = str(log["Log_name"])
        if Coordinates(file, 0) < Coordinates(since.file, 0):
            continue
        position = since.position if file == since.file else 4
        for event in session.rows("SHOW BINLOG EVENTS IN %s FROM %s", file, position):
            if event["Event_type"] not in _HOUSEKEEPING:
                return True
    return False
