"""What the points came to: a table for people, a file for machines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.procedure.chain import Result

__all__ = ["Report"]


@dataclass
class Report:
    """Collects results."""

    seed: int
    results: list[Result] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        return [
            f"{result.engine} {result.command}, {result.point}: {text}"
            for result in self.results
            for text in result.wrong
        ]

    def table(self) -> str:
        """Return where it was interrupted × what running it again did, with how often."""
        heading = f"{'command':24}{'interrupted by':24}{'moment':8}{'the next run':42}{'times':>5}"
        counts = Counter(
            (result.command, result.point.fault, result.point.moment, result.outcome.partition(":")[0])
            for result in self.results
        )
        lines = [
            f"{command:24}{fault:24}{moment:8}{outcome:42}{times:5}"
            for (command, fault, moment, outcome), times in sorted(counts.items())
        ]
        return "\n".join([heading, *lines])

    def summary(self) -> str:
        engines = Counter(result.engine for result in self.results)
        shares = ", ".join(f"{times} on MySQL {engine}" for engine, times in sorted(engines.items()))
        steps = len({(result.command, result.point.step) for result in self.results})
        return (
            f"seed {self.seed}: {len(self.results)} interruptions ({shares}) at {steps} steps;"
            f" {len(self.wrong)} of them went wrong"
        )

    def write(self, path: Path) -> None:
        """Write everything."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "engine_version": ", ".join(sorted({result.engine for result in self.results})),
            "seed": self.seed,
            "points": [result.as_row() for result in self.results],
        }
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
