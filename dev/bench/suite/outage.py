"""Lines of the cutover: outage and lost writes, beside the plain runbook and beside two bare renames."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from dev.bench.cutover import measure
from dev.bench.figures import DNS_SECONDS, OVER_FLOOR, RATE, Bench
from dev.bench.model import Strategy
from dev.bench.suite.lines import Line, at_least, at_most
from dev.bench.suite.wish import Wish

__all__ = ["lines_of", "outage"]

_RUNBOOK = "plain runbook"


def outage(wish: Wish) -> Iterator[Line]:
    """Cut over with an application that writes; by a record as well in the full suite."""
    strategies: tuple[Strategy, ...] = ("rename", "dns") if wish.full else ("rename",)
    for strategy in strategies:
        directory: Path = wish.place(f"outage-{strategy}")
        yield from lines_of(measure(directory, wish.engine, strategy, 5 if wish.full else 1, wish.say))


def lines_of(bench: Bench) -> Iterator[Line]:
    """Return what one strategy came to: the longest outage of ours, and the runbook's in the middle."""
    ours = [pair.ours for pair in bench.pairs]
    runbooks = [pair.runbook for pair in bench.pairs]
    how = f"strategy `{bench.strategy}`"
    longest = max(run.outage.seconds for run in ours)
    theirs = statistics.median(run.outage.seconds for run in runbooks)
    yield Line(f"write outage, {how}", longest, "s", theirs, _RUNBOOK, at_most(1.0))
    if bench.strategy == "rename":
        floor = "two bare renames, nobody writing"
        yield Line(
            f"write outage beside the floor, {how}", longest, "s", bench.floor, floor, at_most(OVER_FLOOR)
        )
    else:
        yield Line(f"write outage by itself, {how}", longest, "s", limit=at_most(DNS_SECONDS))
    lost = sum(len(run.accounting.lost) for run in ours)
    lost_there = sum(len(run.accounting.lost) for run in runbooks)
    yield Line(f"acknowledged writes lost, {how}", lost, "", lost_there, _RUNBOOK, at_most(0))
    twice = sum(len(run.accounting.duplicates) for run in ours)
    yield Line(f"acknowledged writes that arrived twice, {how}", twice, "", limit=at_most(0))
    rate = min(run.rate for run in (*ours, *runbooks))
    yield Line(f"the application's writes before, {how}", rate, "1/s", limit=at_least(RATE))
