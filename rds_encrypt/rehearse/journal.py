"""How far a rehearsal came, so that a later run resumes or removes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Journal"]


@dataclass(frozen=True)
class Journal:
    """The journal file in the rehearsal's directory."""

    directory: Path

    @property
    def exists(self) -> bool:
        """Whether a rehearsal was begun here and not removed."""
        return self._file.exists()

    def begin(self, source: str, snapshot: str | None) -> None:
        """Begin a rehearsal on a snapshot, or on a small instance."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write({"source": source, "snapshot": snapshot, "done": []})

    @property
    def snapshot(self) -> str | None:
        """The snapshot; ``None`` for a small instance."""
        snapshot: str | None = self._read()["snapshot"]
        return snapshot

    @property
    def done(self) -> list[str]:
        """The moves that are complete, in their order."""
        return list(self._read()["done"])

    def note_done(self, move: str) -> None:
        """Record that a move is complete."""
        content = self._read()
        self._write({**content, "done": [*content["done"], move]})

    def end(self) -> None:
        """Forget the rehearsal: everything that it made is gone."""
        self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.directory / "journal.json"

    def _read(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return content

    def _write(self, content: object) -> None:
        fresh = self._file.with_name(".journal.json.new")
        fresh.write_text(json.dumps(content), encoding="utf-8")
        fresh.replace(self._file)
