"""A chain: a command is run until it is struck, and run again, until it comes to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.procedure.points import Point
from tests.chaos.procedure.run import Ending, Run
from tests.engine.deployment import Deployment

__all__ = ["Chain", "Result", "follow"]

Tell = Callable[[str], None]
_RUNS_AGAIN = 4
"""How often an undisturbed command may fail with a sentence of ours before it comes to its end: the first takes over what a
dead one was still making, the second completes it."""


@dataclass
class Result:
    """What became of one point: of the run that was struck there, and of the next one."""

    engine: str
    command: str
    point: Point
    ending: Ending
    outcome: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.wrong

    def as_row(self) -> dict[str, Any]:
        return {
            "engine": self.engine,
            "command": self.command,
            "step": self.point.step,
            "moment": self.point.moment,
            "fault": self.point.fault,
            "struck run": str(self.ending),
            "outcome": self.outcome,
            "ok": self.ok,
            "wrong": self.wrong,
        }


@dataclass
class Chain:
    """The results of one chain, and what was wrong that no single point is to blame for."""

    results: list[Result]
    wrong: list[str] = field(default_factory=list)
    runs: int = 0


def follow(
    deployment: Deployment, verb: str, command: str, points: Sequence[Point], tell: Tell = print
) -> Chain:
    """Run a command again and again, struck at the first of the remaining points that it comes to."""
    engine = deployment.seeded.engine_version
    chain, left, again = Chain([]), list(points), 0
    ending = Ending("failed")
    while again < _RUNS_AGAIN:
        run = Run(deployment, verb, left)
        ending = run.ending()
        chain.runs += 1
        _continue(chain, ending, struck=bool(run.strikes))
        for number, point in enumerate(run.strikes, 1):
            left.remove(point)
            last = number == len(run.strikes)
            came_to = ending if last else Ending("went on")
            chain.results.append(
                Result(engine, command, point, came_to, "" if last else "the run itself went on")
            )
            tell(f"  {command:10} {point!s:60} → {came_to!s:.150}")
        if not ending.ours:
            blamed = chain.results[-1].wrong if chain.results else chain.wrong
            blamed.append(f"a run ended without a sentence of ours: {ending} … {run.output[-1500:]}")
        if not run.strikes and ending.kind != "completed":
            again += 1
            tell(f"  {command:10} {'(undisturbed)':60} → {ending!s:.300}")
        if ending.kind == "completed":
            _end(chain)
            for point in left:
                tell(f"  {command:10} {point!s:60} → never reached")
            return chain
        # What every user of Pulumi does after a crash: the lock of a dead run goes.
        deployment.workspace.run("cancel", "--yes", "--stack", deployment.workspace.stack)
    chain.wrong.append(f"`{command}` did not come to its end in {_RUNS_AGAIN} undisturbed runs: {ending}")
    return chain


def _continue(chain: Chain, ending: Ending, *, struck: bool) -> None:
    """Say of the last point what the run after it did."""
    if not chain.results or chain.results[-1].outcome:
        return
    if ending.kind == "completed":
        outcome = "the next run completed"
    elif struck:
        outcome = "the next run went on, and was struck too"
    else:
        outcome = f"the next run said: {ending.said[:200]}"
    chain.results[-1].outcome = outcome


def _end(chain: Chain) -> None:
    if chain.results and not chain.results[-1].outcome:
        chain.results[-1].outcome = "the run itself completed"
