"""How far a rehearsal came, so that a later run resumes or removes it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.core.waiting import Progress, Wait, until

__all__ = ["Journal"]

_PATIENCE = 180.0
"""The longest wait for the Pulumi of a killed rehearsal, which ends at the next line that it prints."""


@dataclass(frozen=True)
class Journal:
    """The journal file in the rehearsal's directory."""

    directory: Path

    @property
    def exists(self) -> bool:
        """Whether a rehearsal was begun here and not removed."""
        return self._file.exists()

    @contextmanager
    def locked(self, progress: Progress) -> Iterator[int]:
        """Keep other rehearsals out of this directory for the length of a ``with`` block; return the lock's descriptor.

        A process that inherits it keeps the lock, so the Pulumi of a killed rehearsal and its plugins do, too.

        Raises:
            ActionRequired: another one, or what it started, still runs.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)

        def take() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            until(
                Wait("the former rehearsal to end", deadline=_PATIENCE, where=str(self.directory)),
                take,
                done=bool,
                describe=lambda _taken: "waiting for the Pulumi of a former rehearsal to end",
                progress=progress,
            )
            yield descriptor
        except TimedOut as error:
            raise ActionRequired(
                "another rehearsal, or a Pulumi that it has started, still runs",
                where=str(self.directory),
                fix="Wait for its end, or end it; then run the same command again",
            ) from error
        finally:
            os.close(descriptor)

    def begin(self, source: str) -> None:
        """Begin a rehearsal."""
        self._write({"source": source, "done": []})

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
        found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return found

    def _write(self, content: object) -> None:
        fresh = self._file.with_name(".journal.json.new")
        fresh.write_text(json.dumps(content), encoding="utf-8")
        fresh.replace(self._file)
