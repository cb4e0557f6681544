"""The cutover against the plain runbook: `python -m dev.bench.cutover --pairs 5 --strategy rename --engine 8.0`."""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from dev.bench import command
from dev.bench.command import BUILD, Say
from dev.bench.figures import Bench, Pair
from dev.bench.lines import Line, at_least, at_most, show
from dev.bench.model import Strategy, model_for
from dev.bench.plot import write_data, write_picture
from dev.bench.run import measure_floors, place, run_ours, run_runbook
from dev.bench.table import details
from dev.workload.workspace import ROOT

__all__ = ["lines_of", "main", "measure"]

_FLOORS = 3
"""How many times the floor is measured, at least."""
_RATE = 200.0
"""Acknowledged writes a second that the application must reach for a run to count."""
_OVER_FLOOR = 1.10
_DNS_SECONDS = 2.0
_RUNBOOK = "plain runbook"


def main(arguments: list[str] | None = None) -> int:
    """Run all pairs and return the exit code: 0 only if every line keeps its limit."""
    parser = command.parser("dev.bench.cutover", __doc__)
    parser.add_argument("--pairs", type=_positive, default=5, help="runs of each of the two (default: 5)")
    parser.add_argument("--strategy", choices=("rename", "dns"), default="rename", help="how ours swaps")
    parser.add_argument(
        "--directory", type=Path, default=ROOT / ".cache" / "bench", help="holds the sandboxes and the stacks"
    )
    options = parser.parse_args(arguments)

    def run(console: Console) -> int:
        say = command.told(console)
        bench = measure(options.directory, options.engine, options.strategy, options.pairs, say)
        details(console, bench)
        command.write("bench-cutover", bench.as_json(), options.engine, console)
        write_data(bench, BUILD / "bench-cutover.csv")
        shown = write_picture(bench, BUILD / "bench-cutover.png")
        console.print(f"build/bench-cutover.png (pair {shown}), build/bench-cutover.csv (all pairs)")
        return show(console, list(lines_of(bench)))

    return command.run(run)


def measure(directory: Path, engine: str, strategy: Strategy, pairs: int, say: Say) -> Bench:
    """Drive both procedures this many times, each in a fresh sandbox, and measure the floor in the runbook's."""
    model = model_for(strategy)
    measured: list[Pair] = []
    floors: list[float] = []
    version = ""
    for number in range(1, pairs + 1):
        tell = _numbered(say, number)
        with place(directory, engine, model, tell) as here:
            version = here.seeded.engine_version
            ours = run_ours(here, directory, strategy)
        with place(directory, engine, model, tell) as here:
            runbook = run_runbook(here)
            floors += measure_floors(here, math.ceil(_FLOORS / pairs))
        measured.append(Pair(ours, runbook))
    return Bench(version, strategy, floors, measured)


def lines_of(bench: Bench) -> Iterator[Line]:
    """Return the results of one strategy: the longest of our outages, and the runbook's median."""
    ours = [pair.ours for pair in bench.pairs]
    runbooks = [pair.runbook for pair in bench.pairs]
    how = f"strategy `{bench.strategy}`"
    longest = max(run.outage.seconds for run in ours)
    theirs = statistics.median(run.outage.seconds for run in runbooks)
    yield Line(f"write outage, {how}", longest, "s", theirs, _RUNBOOK, at_most(1.0))
    if bench.strategy == "rename":
        floor = "two bare renames, nobody writing"
        yield Line(
            f"write outage beside the floor, {how}", longest, "s", bench.floor, floor, at_most(_OVER_FLOOR)
        )
    else:
        yield Line(f"write outage by itself, {how}", longest, "s", limit=at_most(_DNS_SECONDS))
    lost = sum(len(run.accounting.lost) for run in ours)
    lost_there = sum(len(run.accounting.lost) for run in runbooks)
    yield Line(f"acknowledged writes lost, {how}", lost, "", lost_there, _RUNBOOK, at_most(0))
    twice = sum(len(run.accounting.duplicates) for run in ours)
    yield Line(f"acknowledged writes that arrived twice, {how}", twice, "", limit=at_most(0))
    rate = min(run.rate for run in (*ours, *runbooks))
    yield Line(f"the application's writes before, {how}", rate, "1/s", limit=at_least(_RATE))


def _numbered(say: Say, number: int) -> Say:
    return lambda sentence: say(f"pair {number}  {sentence}")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} pairs are too few: at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
