"""The scheduler: trial after trial on one stage; on a new one if a trial has left the old one beyond repair."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rds_encrypt.settings import StrategyName
from tests.chaos import invariants
from tests.chaos.plan import Planner
from tests.chaos.report import Report
from tests.chaos.stage import FenceKind, Stage, staged
from tests.chaos.through_pulumi import round_trip
from tests.chaos.trial import Trial, learn, run_trial

__all__ = ["run"]

Tell = Callable[[str], None]


def run(
    directory: Path,
    *,
    seed: int,
    interruptions: int,
    engine: str = "8.0",
    fence: FenceKind = "read_only",
    strategy: StrategyName = "rename",
    gtids: bool = False,
    pulumi_every: int = 0,
    first: int = 1,
    seconds: float = float("inf"),
    tell: Tell = print,
    report_to: Path | None = None,
) -> Report:
    """Run trials until this many interruptions have struck, or this many seconds have passed (not counting the first stage's time).

    Every `pulumi_every` trials there is a round trip through the real engine, with its processes killed.
    """
    report = Report(seed, engine, fence, strategy, gtids)
    planner: Planner | None = None
    until = float("inf")

    def note(trial: Trial) -> bool:
        """Add a trial to the report; whether the stage can go on."""
        report.trials.append(trial)
        tell(report.line(trial))
        if report_to is not None:
            report.write(report_to)
        return trial.sound

    def goes_on() -> bool:
        return report.interruptions < interruptions and time.monotonic() < until

    while goes_on():
        report.stages += 1
        with staged(directory / f"stage-{report.stages}", engine, fence, strategy, gtids=gtids) as stage:
            boundaries, usual = learn(stage)
            if planner is None:
                planner, until = Planner(seed, boundaries, first), time.monotonic() + seconds
            took = ", ".join(f"{verb} {seconds:.1f} s" for verb, seconds in usual.items())
            tell(f"stage {report.stages}: undisturbed {took}, {len(boundaries['cutover'])} boundaries")
            sound, since = True, 0
            while sound and goes_on():
                if pulumi_every and since >= pulumi_every and not stage.swapped:
                    since = 0
                    for trial in round_trip(stage, planner):
                        sound = note(trial)
                else:
                    since += 1
                    sound = note(run_trial(stage, planner.next(stage.direction.verb), usual))
            if sound:
                report.audits += _audit(stage)
                report.audits += invariants.same_gtids(stage) if gtids else []
    return report


def _audit(stage: Stage) -> list[str]:
    """Count every write of the stage once more, at the end, on the instance that has the name."""
    holder = stage.direction.primary
    acks = stage.traffic.acks()
    findings = []
    for trial in sorted({ack.trial for ack in acks}):
        wrong = invariants.accounting(
            [ack for ack in acks if ack.trial == trial], stage.rows_of(holder, trial)
        )
        findings += [f"at the end, writes of trial {trial}: {text}" for text in wrong]
    return findings
