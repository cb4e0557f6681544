"""The observations of a rehearsal, as lines of JSON in the order of the clock, so that a resumed rehearsal continues the file.

Each line has ``at``, an ISO 8601 time in UTC, and ``kind``:

- ``instance``: a change of an instance: ``id`` (its DbiResourceId), ``identifier``, ``status`` (``None`` once it is gone), ``gib``,
  ``storage`` (StorageOperationStatus and its percentage, or ``None``).
- ``snapshot``: a change of a snapshot: ``identifier``, ``status`` (``None`` once it is gone), ``gib``, ``encrypted``, ``progress`` (percent).
- ``name``: a change of what a client meets at a name: ``identifier``, ``state``: ``open``, ``unresolved`` or ``refused``.
- ``procedure``: a call of a stored procedure: ``server``, ``procedure``, ``seconds``, ``ok``, ``answer`` (a text without arguments).
- ``binlogs``: a change of the copy's binary logs: ``id``, ``first``, ``last`` (file names), ``hours`` (binlog retention, or ``None``).
- ``move``: a move of the rehearsal: ``move`` (its number and phase, such as ``2-cutover``), ``event`` (``begin``, ``end`` or ``failed``),
  and at its end ``seconds``, and ``gap``, the longest time without an acknowledged write in seconds.
- ``writes``: the writer's account of the whole rehearsal: ``acknowledged``, ``lost``, ``duplicates``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

__all__ = ["Kind", "Observation", "Observations"]

Kind = Literal["instance", "snapshot", "name", "procedure", "binlogs", "move", "writes"]


@dataclass(frozen=True)
class Observation:
    """One line of the file."""

    at: datetime
    kind: Kind
    facts: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]


@dataclass(frozen=True)
class Observations:
    """The file of a rehearsal's observations."""

    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def record(self, kind: Kind, **facts: Any) -> None:
        """Append one observation, with the present time."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "kind": kind, **facts})
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def __iter__(self) -> Iterator[Observation]:
        """Return all observations so far, in the order of the clock; a line that a killed process left half-written is skipped."""
        return iter(sorted(self._read(), key=lambda observation: observation.at))

    def of(self, kind: Kind) -> list[Observation]:
        """Return the observations of one kind."""
        return [observation for observation in self if observation.kind == kind]

    def _read(self) -> Iterator[Observation]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                facts = json.loads(line)
            except ValueError:
                continue
            yield Observation(datetime.fromisoformat(facts.pop("at")), facts.pop("kind"), facts)
