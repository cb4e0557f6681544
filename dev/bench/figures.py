"""The figures of the cutover's bench."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dev.bench.model import Model, Strategy, model_for
from rds_encrypt.rehearse.writer import Accounting, Gap, Write

__all__ = ["Bench", "Pair", "Run"]


@dataclass(frozen=True)
class Run:
    """One cutover with a writer.

    Attributes:
        outage: the longest time without an acknowledged write on any connection, from the swap's begin to its end.
        rate: acknowledged writes a second, in the seconds before the swap.
        writes: every acknowledged write of the run.
        timeline: moments that the program reported, as seconds of the wall clock; empty for the runbook.
        seconds: how long the whole run took.
    """

    outage: Gap
    accounting: Accounting
    rate: float
    writes: Sequence[Write] = field(repr=False)
    timeline: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON file says of a run."""
        return {
            "outage_seconds": round(self.outage.seconds, 3),
            "acknowledged_writes": self.accounting.acknowledged,
            "lost_writes": len(self.accounting.lost),
            "duplicated_writes": len(self.accounting.duplicates),
        }


@dataclass(frozen=True)
class Pair:
    """The program and the plain runbook, each with an instance of its own, one after the other."""

    ours: Run
    runbook: Run


@dataclass(frozen=True)
class Bench:
    """All pairs.

    Attributes:
        floors: seconds of two bare renames, each measured in the sandbox of one of the runs.
    """

    engine_version: str
    strategy: Strategy
    floors: Sequence[float]
    pairs: Sequence[Pair]

    @property
    def model(self) -> Model:
        """The time model of all runs."""
        return model_for(self.strategy)

    @property
    def floor(self) -> float:
        """What two renames cost at least: the median of the measured ones."""
        return statistics.median(self.floors)

    def as_json(self) -> dict[str, Any]:
        """Return what ``build/bench-cutover.json`` holds."""
        return {
            "engine_version": self.engine_version,
            "floor_seconds": round(self.floor, 3),
            "pairs": [
                {"ours": pair.ours.as_json(), "runbook": pair.runbook.as_json()} for pair in self.pairs
            ],
        }
