"""What a run of trials came to: a table for people, a file for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.trial import Trial

__all__ = ["Report"]


@dataclass
class Report:
    """Collects trials."""

    seed: int
    engine: str
    fence: str
    strategy: str = "rename"
    gtids: bool = False
    trials: list[Trial] = field(default_factory=list)
    stages: int = 0
    audits: list[str] = field(default_factory=list)
    """What the counts over all trials, at the end of each stage, found wrong."""

    @property
    def interruptions(self) -> int:
        return sum(len(trial.hits) for trial in self.trials)

    @property
    def wrong(self) -> list[str]:
        violations = [
            f"trial {trial.number} ({trial.verb}): {text}" for trial in self.trials for text in trial.wrong
        ]
        return [*violations, *self.audits]

    def line(self, trial: Trial) -> str:
        """One trial in one line, for the screen."""
        blows = (
            "; ".join(f"{hit.interruption} @ {hit.moment} → {hit.ending}" for hit in trial.hits)
            or "undisturbed"
        )
        text = f"{trial.number:4} {trial.verb:9} {trial.outcome:22} {trial.seconds:5.1f} s  {blows}"
        return "\n".join([text, *(f"     !! {wrong}" for wrong in trial.wrong)])

    def table(self) -> str:
        """Return interruption × where it struck × what became of the interrupted run."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for trial in self.trials:
            for hit in trial.hits:
                counts[hit.kind, hit.after, hit.ending] += 1
        lines = [f"{'interruption':26}{'last boundary passed':40}{'the run':12}{'times':>5}"]
        lines += [
            f"{kind:26}{after:40}{ending:12}{times:5}"
            for (kind, after, ending), times in sorted(counts.items())
        ]
        return "\n".join(lines)

    def summary(self) -> str:
        kinds = Counter(hit.kind for trial in self.trials for hit in trial.hits)
        endings = Counter(hit.ending for trial in self.trials for hit in trial.hits)
        shares = ", ".join(f"{kind} {times}" for kind, times in kinds.most_common())
        outcomes = ", ".join(f"{kind} {times}" for kind, times in endings.most_common())
        acknowledged = sum(trial.acknowledged for trial in self.trials)
        return (
            f"seed {self.seed}, MySQL {self.engine}, fence {self.fence}, strategy {self.strategy}{', GTIDs' if self.gtids else ''}: {self.interruptions} interruptions in {len(self.trials)} cutovers,"
            f" {acknowledged} acknowledged writes; {len(self.wrong)} violations\n  {shares}\n  interrupted runs: {outcomes}"
        )

    def write(self, path: Path) -> None:
        """Write everything."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {
            "seed": self.seed,
            "engine": self.engine,
            "fence": self.fence,
            "strategy": self.strategy,
            "gtids": self.gtids,
            "interruptions": self.interruptions,
            "swaps": len(self.trials),
            "stages": self.stages,
            "violations": self.wrong,
            "trials": [trial.as_row() for trial in self.trials],
        }
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def sentences(trials: Sequence[Trial]) -> Counter[str]:
    """Return how often each failed run said what."""
    return Counter(hit.sentence for trial in trials for hit in trial.hits if hit.sentence)
