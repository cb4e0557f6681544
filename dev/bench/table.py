"""What the cutover's bench prints besides its lines: the pairs, where the time of ours went, and what the floor is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console
from rich.table import Table

from dev.bench import command
from dev.bench.figures import Bench, Run

__all__ = ["Stretch", "details", "stretches"]

Stretch = tuple[str, float]
"""What happened from one moment to the next, and the seconds that it took."""

_LAST, _FIRST = "last write", "first write"


def details(console: Console, bench: Bench) -> None:
    """Print the figures."""
    console.print()
    console.print(_pairs(bench))
    console.print()
    console.print(_breakdown([pair.ours for pair in bench.pairs]))
    model = bench.model
    console.print(
        f"\nFloor: {bench.floor:.2f} s, the median of {len(bench.floors)} swaps by two bare renames"
        f" ({', '.join(f'{seconds:.2f}' for seconds in bench.floors)} s): an idle database, one request after the other,"
        " from the first request until the name takes a connection."
        f"\nTime model: profile `{model.profile}` × {model.factor:g}. A rename is {model.rename:.1f} s of the clock (90 s on AWS),"
        f" two are {2 * model.rename:.1f} s, the rest of the floor is MySQL's restarts. A changed parameter takes"
        f" {model.parameter:.1f} s. `aws rds wait` looks every {model.waiter_delay:.1f} s (30 s on AWS).",
        soft_wrap=True,
    )


def _pairs(bench: Bench) -> Table:
    titles = ("pair", "procedure", "outage", "× floor", "acknowledged", "writes/s", "lost", "twice")
    table = command.table(titles, {"procedure"})
    procedures = {
        "ours": [pair.ours for pair in bench.pairs],
        "runbook": [pair.runbook for pair in bench.pairs],
    }
    for number in range(len(bench.pairs)):
        for place, (procedure, runs) in enumerate(procedures.items()):
            table.add_row("" if place else str(number + 1), procedure, *_cells(runs[number], bench.floor))
    for place, (procedure, runs) in enumerate(procedures.items()):
        table.add_row("" if place else "median", procedure, *_medians(runs, bench.floor), style="bold")
    return table


def _medians(runs: Sequence[Run], floor: float) -> tuple[str, ...]:
    outage = statistics.median(run.outage.seconds for run in runs)
    return (
        f"{outage:.2f} s",
        f"{outage / floor:.2f}",
        f"{statistics.median(run.accounting.acknowledged for run in runs):,.0f}",
        f"{statistics.median(run.rate for run in runs):.0f}",
        f"{statistics.median(len(run.accounting.lost) for run in runs):,g}",
        f"{statistics.median(len(run.accounting.duplicates) for run in runs):,g}",
    )


def _cells(run: Run, floor: float) -> tuple[str, ...]:
    figures = run.accounting
    return (
        f"{run.outage.seconds:.2f} s",
        f"{run.outage.seconds / floor:.2f}",
        f"{figures.acknowledged:,}",
        f"{run.rate:.0f}",
        f"{len(figures.lost):,}",
        f"{len(figures.duplicates):,}",
    )


def stretches(run: Run) -> list[Stretch]:
    """Cut a run's outage at the moments of its timeline, in the order in which they came."""
    outside = {write.monotonic: write.wall for write in run.writes}
    begin, end = outside.get(run.outage.begin), outside.get(run.outage.end)
    if begin is None or end is None:
        return []
    moments = [(begin, _LAST), (end, _FIRST)]
    moments += [(when, moment.replace("_", " ")) for moment, when in run.timeline.items()]
    return [(f"{a[1]} → {b[1]}", b[0] - a[0]) for a, b in pairwise(sorted(moments))]


def _breakdown(runs: Sequence[Run]) -> Table:
    titles = ("from → to", "median", "longest")
    table = command.table(titles, {"from → to"}, title="Where the time of ours went")
    seconds: dict[str, list[float]] = {}
    for run in runs:
        for stretch, took in stretches(run):
            seconds.setdefault(stretch, []).append(took)
    for stretch, took_each in seconds.items():
        table.add_row(stretch, f"{statistics.median(took_each):.2f} s", f"{max(took_each):.2f} s")
    return table
