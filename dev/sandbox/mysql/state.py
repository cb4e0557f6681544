"""What a data directory says about itself; it lies in the directory, so that it travels with copies."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from json import dumps, loads
from pathlib import Path

__all__ = ["Coordinates", "DataState"]

_FILE = "rds-sandbox.json"


@dataclass(frozen=True)
class Coordinates:
    """A place in a server's binary log."""

    file: str
    position: int


@dataclass(frozen=True)
class DataState:
    """How the data were last run, and whether they are a copy that never ran."""

    binlog: bool = False
    fresh_copy: bool = False
    taken_in: str | None = None
    """The origin's last binary log file when the copy was taken."""
    taken_at: tuple[str, int] | None = None
    """The origin's coordinates at that moment, known once the copy has recovered."""

    @classmethod
    def of(cls, data: Path) -> DataState:
        file = data / _FILE
        if not file.exists():
            return cls()
        content = loads(file.read_text())
        if content["taken_at"] is not None:
            content["taken_at"] = tuple(content["taken_at"])
        return cls(**content)

    def write(self, data: Path) -> None:
        (data / _FILE).write_text(dumps(asdict(self)))

    def copied(self, data: Path, binlog_index: str) -> DataState:
        """The state of a copy just taken into `data`."""
        if self.fresh_copy:
            return self  # the copy of a copy that never ran
        index = data / binlog_index
        files = index.read_text().split() if self.binlog and index.exists() else []
        return replace(self, fresh_copy=True, taken_in=Path(files[-1]).name if files else None, taken_at=None)

    @property
    def origin(self) -> Coordinates | None:
        return None if self.taken_at is None else Coordinates(*self.taken_at)
