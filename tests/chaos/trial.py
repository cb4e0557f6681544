"""One trial: a cutover that is interrupted, run again until it is done, and judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos import invariants
from tests.chaos.child import Child, Ending
from tests.chaos.interruptions import COORDINATOR_LIVES
from tests.chaos.plan import Blow, Plan
from tests.chaos.stage import Direction, Stage

__all__ = ["Hit", "Trial", "judge", "learn", "run_trial"]

_RUNS_AGAIN = 3


@dataclass(frozen=True)
class Hit:
    """One interruption that happened, and what became of the run."""

    interruption: str
    kind: str
    moment: str
    after: str
    """The last boundary that the run had passed."""
    ending: str
    sentence: str = ""


@dataclass
class Trial:
    """What became of one plan."""

    number: int
    verb: str
    hits: list[Hit] = field(default_factory=list)
    runs: int = 0
    seconds: float = 0.0
    acknowledged: int = 0
    outage: float = 0.0
    wrong: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """What runs said that failed though nothing had struck them."""
    done: bool = False
    sound: bool = True
    """Whether the next trial can begin where this one ended."""

    @property
    def outcome(self) -> str:
        if self.wrong:
            return "WRONG"
        return "completed at once" if self.runs == 1 else f"completed by run {self.runs}"

    def as_row(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": self.outcome}


def learn(stage: Stage) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Swap back and forth undisturbed; return the boundaries by verb, and the seconds that a run takes."""
    boundaries: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for _ in range(2):
        direction = stage.direction
        child = stage.start(direction)
        ending = child.ending()
        assert ending.kind == "completed", str(ending)
        first, last = child.passed[0][1], child.passed[-1][1]
        boundaries[direction.verb] = [name for name, _ in child.passed if not _twice(name)]
        seconds[direction.verb] = last - first
        stage.swapped = not stage.swapped
        trouble = invariants.completed(stage, direction)
        assert not trouble, trouble
    return boundaries, seconds


def run_trial(stage: Stage, plan: Plan, usual: dict[str, float]) -> Trial:
    """Run one plan to its end; `usual` is how long an undisturbed run takes, by verb."""
    direction = stage.direction
    trial = Trial(plan.number, direction.verb)
    stage.traffic.trial = plan.number
    began = time.monotonic()
    blows = list(plan.blows)
    deadline_run = len(blows) + _RUNS_AGAIN
    while not trial.done and trial.runs < deadline_run:
        blow = blows.pop(0) if blows else None
        ending = _run(stage, direction, trial, blow, usual[direction.verb])
        trial.done = ending.kind == "completed"
        if not ending.ours:
            trial.wrong.append(f"run {trial.runs} ended without a sentence of ours: {ending}")
            if ending.kind == "hung":
                break
    trial.seconds = time.monotonic() - began
    judge(stage, direction, trial)
    return trial


def _run(stage: Stage, direction: Direction, trial: Trial, blow: Blow | None, usual: float) -> Ending:
    trial.runs += 1
    holds = [blow.boundary] if blow is not None and blow.boundary is not None else []
    child = stage.start(direction, *holds)
    finish: Callable[[], None] = _nothing
    struck, after = False, ""
    if blow is not None and _comes(child, blow, usual):
        struck = True
        after = child.passed[-1][0] if child.passed else "the start"
        finish = _struck(stage, direction, child, blow)
    ending = child.ending()
    if not struck and ending.kind == "failed":
        trial.refusals.append(ending.sentence)
    ended = time.monotonic()
    if blow is not None and not blow.strike.seconds:
        finish()  # what is left of it must not strike us
        finish = _nothing
    moved = ending.kind != "completed" and stage.begun(direction)
    finish()
    if blow is not None and struck:
        trial.hits.append(
            Hit(str(blow.strike), blow.strike.kind, blow.moment, after, ending.kind, ending.sentence)
        )
    if ending.kind == "failed" and not moved and (blow is None or blow.strike.kind in COORDINATOR_LIVES):
        trial.wrong.extend(invariants.safely_aborted(stage, direction, ended))
    return ending


def _comes(child: Child, blow: Blow, usual: float) -> bool:
    """Wait for the moment of a blow; false if the run ended before it."""
    if blow.boundary is not None:
        return child.wait_held(blow.boundary)
    child.begun.wait(60)
    return not child.wait_ended(blow.share * usual)


def _struck(stage: Stage, direction: Direction, child: Child, blow: Blow) -> Callable[[], None]:
    """Strike, let the run go on, and return what waits for the end of the interruption."""
    end = blow.strike.begin(stage, direction, child)
    child.go()
    if not blow.strike.seconds:
        return end
    timer = threading.Timer(blow.strike.seconds, end)
    timer.start()
    return timer.join


def judge(stage: Stage, direction: Direction, trial: Trial) -> None:
    """Ask the world for each invariant, and turn the stage round if the cutover is done."""
    servers = stage.servers
    if trial.done:
        stage.swapped = not stage.swapped
        trouble = invariants.completed(stage, direction)
        trial.wrong.extend(trouble)
        trial.sound = not trouble
    else:
        trial.sound = False
        refusals = "; ".join(dict.fromkeys(trial.refusals))
        trial.wrong.append(f"invariant 4: not done after {trial.runs} runs ({refusals})")
    acks = stage.traffic.acks(trial.number)
    primary, candidate = servers[direction.primary], servers[direction.candidate]
    trial.acknowledged = len(acks)
    trial.wrong.extend(invariants.one_writer(acks, primary, candidate))
    if trial.done:
        trial.wrong.extend(invariants.accounting(acks, stage.rows_of(direction.candidate, trial.number)))
        before = [ack.ended for ack in acks if ack.server == primary]
        after = [ack.ended for ack in acks if ack.server == candidate]
        if before and after:
            trial.outage = min(after) - max(before)
    trial.wrong.extend(invariants.untouched(stage))


def _twice(name: str) -> bool:
    """How many sessions are ended depends on the writers: no boundary to count on."""
    return "rds_kill" in name


def _nothing() -> None:
    """Nothing was begun that has to end."""
