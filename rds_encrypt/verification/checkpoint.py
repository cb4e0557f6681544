"""Keeps the finished parts of a comparison in a file, so that an interrupted comparison resumes.

A part counts only for the coordinates at which both sides stopped: at others, the same range of keys may hold other rows. Losing
the file only costs time.
"""

from __future__ import annotations

import json
from collections import defaultdict
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
    """The finished parts, in a file with one JSON line for each.

    Attributes:
        file: its path; ``None`` keeps nothing beyond this process.
        identity: what was compared, and how; parts of another identity are discarded.
    """

    file: Path | None
    identity: str
    parts: list[Part] = field(default_factory=list)
    _ends: dict[str, dict[Key | None, Key | None]] = field(
        default_factory=lambda: defaultdict(dict), repr=False
    )
    """By table: where each part ends, by where it begins."""
    recalled: int = 0
    """The number of finished parts read from the file."""

    @classmethod
    def open(cls, file: Path | None, identity: str, coordinates: str) -> Checkpoint:
        """Open a checkpoint, with the parts in the file if they belong to this comparison and these coordinates."""
        checkpoint = cls(file, identity)
        parts: list[Part] = []
        if file is not None and file.exists():
            parts = _read(file.read_text(encoding="utf-8"), identity, coordinates)
        # Rewritten: the last line may be cut off, and a line appended to it would be lost.
        checkpoint.forget()
        checkpoint.stand_at(coordinates)
        for part in parts:
            checkpoint.add(part)
        checkpoint.recalled = len(parts)
        return checkpoint

    def stand_at(self, coordinates: str) -> None:
        """Record that parts are compared at these coordinates from here on."""
        self._append({"identity": self.identity, "coordinates": coordinates})

    def add(self, part: Part, *, lasting: bool = True) -> None:
        """Record a finished part; unless ``lasting``, only in this process."""
        self.parts.append(part)
        self._ends[part.table][part.range.low] = part.range.high
        if not lasting:
            return
        self._append({"table": part.table, "low": part.range.low, "high": part.range.high, "rows": part.rows})

    def forget(self) -> None:
        """Remove the file: the comparison is complete, or must start over."""
        self.parts.clear()
        self._ends.clear()
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    @property
    def rows(self) -> int:
        """Number of rows in all parts; a part repeated after an interruption counts once."""
        return sum({(part.table, part.range): part.rows for part in self.parts}.values())

    def reached(self, table: str) -> tuple[Key | None, bool]:
        """Return the key up to which a table is finished from its start, and whether that is all of it."""
        ends = self._ends[table]
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
    """Parse a checkpoint, whose last line may be cut off; its parts count only at the same coordinates."""
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
