"""Rehearsals that are killed, then resumed or removed: `python -m tests.chaos.rehearsals`, or `make chaos-rehearsals`.

Afterwards the account must be as before, and every call about the source must only have read.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from dev.demo import inventory
from dev.demo.rehearsal import Stage
from dev.workload.workspace import ROOT
from tests.engine.deployment import kill_pulumi_of

__all__ = ["HOWS", "Point", "drawn", "run_point"]

HOWS = ("interrupt", "kill", "kill all")
"""Ctrl-C; the rehearsal alone dies, so that its Pulumi outlives it; the machine dies."""
_LONGEST = 200.0
"""Seconds that a whole rehearsal takes here, about."""
_ENDS = 900.0


@dataclass
class Point:
    """One rehearsal, killed after so many seconds."""

    number: int
    after: float
    how: str
    then: str
    move: str = "none"
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = "; ".join(self.wrong) or "as before"
        return f"{self.number:3} {self.how:9} after {self.after:5.1f} s, in {self.move:12} then --{self.then}: {verdict}"


def drawn(seed: int, count: int, longest: float = _LONGEST) -> list[Point]:
    """Draw points: each way to kill in its turn, at a moment that the dice choose; every third is resumed."""
    dice = random.Random(seed)  # noqa: S311 - a seed is the point
    return [
        Point(
            number,
            dice.uniform(0.5, longest),
            HOWS[number % len(HOWS)],
            "resume" if number % 3 == 1 else "remove",
        )
        for number in range(1, count + 1)
    ]


def run_point(stage: Stage, point: Point) -> None:
    """Begin a rehearsal, kill it, resume or remove it, and compare the account with the one before."""
    before, since = stage.inventory(), len(stage.sandbox.calls())
    log = stage.directory / f"point-{point.number}.txt"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*stage.command, "--yes"],
            cwd=ROOT,
            env=stage.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(point.after)
        except subprocess.TimeoutExpired:
            _end(process, point.how)
        point.move = _last_move(log)
        if _under_way(stage):
            ended = subprocess.run(
                [*stage.command, f"--{point.then}"],
                cwd=ROOT,
                env=stage.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_ENDS,
                check=False,
            )
            if ended.returncode:
                point.wrong.append(f"--{point.then} ended with {ended.returncode}: see {log}")
    point.wrong += inventory.left_behind(before, stage.inventory(), ())
    point.wrong += [f"{action} on the source" for action in stage.changes_of_source(since)]


def _under_way(stage: Stage) -> bool:
    return (stage.directory / "rehearsal" / "journal.json").exists()


def _last_move(log: Path) -> str:
    moves = re.findall(r"move \d of \d: (\w+)", log.read_text(encoding="utf-8"))
    return moves[-1] if moves else "the beginning"


def _end(process: subprocess.Popen[bytes], how: str) -> None:
    if how == "interrupt":
        process.send_signal(signal.SIGINT)
    else:
        process.send_signal(signal.SIGSTOP)
        if how == "kill all":
            kill_pulumi_of(process.pid)
        process.kill()
    process.wait(_ENDS)


def main() -> None:
    """Run the points that the command line asks for; ends with 1 if one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rehearsals", description=__doc__)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--longest", type=float, default=_LONGEST)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    points = drawn(options.seed, options.points, options.longest)
    with (
        tempfile.TemporaryDirectory() as directory,
        Stage.running(Path(directory), engine="8.0", rows=2_000) as stage,
    ):
        for point in points:
            run_point(stage, point)
            print(point, flush=True)
            if point.wrong:
                print((stage.directory / f"point-{point.number}.txt").read_text(encoding="utf-8"))
    wrong = [point for point in points if point.wrong]
    print(f"seed {options.seed}: {len(points)} points, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
