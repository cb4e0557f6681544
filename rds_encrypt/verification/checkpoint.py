"""What a comparison has done already, in a file, so that one that was interrupted does not begin anew.

A part counts for the coordinates at which both sides stood: at others, the same range of keys may hold other rows. Losing the file
costs time, nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from rds_encrypt.verification.ranges import Key, Range

__all__ = ["Checkpoint", "Part"]


@dataclass(frozen=True)
class Part:
    """A range of one table that was compared and found equal."""

    table: str
    range: Range
    rows: int


@dataclass
class Checkpoint:
    """The parts that are done, kept in a file of one JSON line for each.

    Attributes:
        file: where; ``None`` remembers nothing beyond this process.
        identity: what was compared, and how; parts of another identity are forgotten.
    """

    file: Path | None
    identity: str
    parts: list[Part] = field(default_factory=list)
    recalled: int = 0
    """How many parts were found done in the file."""

    @classmethod
    def open(cls, file: Path | None, identity: str, coordinates: str) -> Checkpoint:
        """Return what is remembered of this comparison, if it stopped at these coordinates."""
        checkpoint = cls(file, identity)
        found: list[Part] = []
        if file is not None and file.exists():
            found = _read(file.read_text(encoding="utf-8"), identity, coordinates)
        # Written anew: the last line may be cut off, and what follows must not be lost with it.
        checkpoint.forget()
        checkpoint.stand_at(coordinates)
        for part in found:
            checkpoint.add(part)
        checkpoint.recalled = len(found)
        return checkpoint

    def stand_at(self, coordinates: str) -> None:
        """Note that from here on parts are compared at these coordinates."""
        self._append({"identity": self.identity, "coordinates": coordinates})

    def add(self, part: Part, *, lasting: bool = True) -> None:
        """Note that a part is done; one that is not ``lasting`` only for as long as this process lives."""
        self.parts.append(part)
        if not lasting:
            return
        self._append({"table": part.table, "low": part.range.low, "high": part.range.high, "rows": part.rows})

    def forget(self) -> None:
        """Remove the file: the comparison is complete, or must begin anew."""
        self.parts.clear()
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    @property
    def rows(self) -> int:
        """How many rows all parts together have; one that was done again after an interruption counts once."""
        return sum({(part.table, part.range): part.rows for part in self.parts}.values())

    def reached(self, table: str) -> tuple[Key | None, bool]:
        """Return up to which key a table is done from its beginning, and whether that is all of it."""
        ends = {part.range.low: part.range.high for part in self.parts if part.table == table}
        low: Key | None = None
        while low in ends:
            low = ends[low]
            if low is None:
                return None, True
        return low, False

    def _append(self, entry: dict[str, object]) -> None:
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")


def _read(text: str, identity: str, coordinates: str) -> list[Part]:
    """Read what a run wrote; its last line may be cut off, and it counts only if it stood where we stand."""
    parts: list[Part] = []
    stood = ""
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut off when the run was killed: that part is compared again
        if "coordinates" in entry:
            stood = entry["coordinates"]
            if entry["identity"] != identity:
                return []
        else:
            parts.append(
                Part(entry["table"], Range(_key(entry["low"]), _key(entry["high"])), int(entry["rows"]))
            )
    return parts if stood == coordinates else []


def _key(values: list[str] | None) -> Key | None:
    return tuple(values) if values is not None else None
