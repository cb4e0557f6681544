"""Acknowledged writes over time, one procedure above the other: the data as CSV, and a picture."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dev.bench.figures import Bench, Pair, Run

__all__ = ["Bar", "bars", "write_data", "write_picture"]

_BIN = 0.1
_BEFORE, _AFTER = 6.0, 4.0
_KEPT, _LOST, _OUTAGE = "#3a6ea5", "#c0392b", "#f0ede6"


@dataclass(frozen=True)
class Bar:
    """A tenth of a second: how many writes were acknowledged in it, and how many of those are not there any more."""

    second: float
    acknowledged: int
    lost: int


def bars(run: Run) -> list[Bar]:
    """Count a run's writes per 100 ms, from some seconds before the outage to some after; second 0 is its begin."""
    lost = set(run.accounting.lost)
    all_writes: Counter[int] = Counter()
    lost_writes: Counter[int] = Counter()
    for write in run.writes:
        # A moment on the edge belongs to what it begins, whatever the last bit of a float says.
        number = math.floor((write.monotonic - run.outage.begin) / _BIN + 1e-6)
        all_writes[number] += 1
        lost_writes[number] += write.token in lost
    first, last = int(-_BEFORE / _BIN), int((run.outage.seconds + _AFTER) / _BIN)
    return [
        Bar(round(number * _BIN, 1), all_writes[number], lost_writes[number]) for number in range(first, last)
    ]


def write_data(bench: Bench, path: Path) -> None:
    """Write the counts of all runs."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["pair", "procedure", "second", "acknowledged_writes", "lost_writes"])
        for number, procedure, run in _runs(bench.pairs):
            table.writerows([number, procedure, bar.second, bar.acknowledged, bar.lost] for bar in bars(run))


def write_picture(bench: Bench, path: Path) -> int:
    """Draw the pair whose outage of ours is the median one, and return its number."""
    ordered = sorted(range(len(bench.pairs)), key=lambda index: bench.pairs[index].ours.outage.seconds)
    chosen = ordered[len(ordered) // 2]
    pair = bench.pairs[chosen]
    mpl.use("Agg")
    figure = Figure(figsize=(10, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, sharey=True)
    _draw(above, pair.ours, "rds-encrypt", bench)
    _draw(below, pair.runbook, "plain runbook", bench)
    below.set_xlabel("seconds since the last acknowledged write before the outage")
    below.legend(loc="upper center", fontsize=8, frameon=False)
    figure.suptitle(
        f"Acknowledged writes per 100 ms while the name moves (MySQL {bench.engine_version}, strategy {bench.strategy},"
        f" pair {chosen + 1} of {len(bench.pairs)})",
        fontsize=11,
    )
    figure.savefig(path, dpi=150)
    return chosen + 1


def _draw(axes: Axes, run: Run, procedure: str, bench: Bench) -> None:
    counted = bars(run)
    seconds = [bar.second for bar in counted]
    axes.axvspan(0, run.outage.seconds, color=_OUTAGE, zorder=0)
    axes.bar(
        seconds,
        [bar.acknowledged - bar.lost for bar in counted],
        width=_BIN,
        align="edge",
        color=_KEPT,
        label="acknowledged",
    )
    axes.bar(
        seconds,
        [bar.lost for bar in counted],
        bottom=[bar.acknowledged - bar.lost for bar in counted],
        width=_BIN,
        align="edge",
        color=_LOST,
        label="acknowledged, then lost",
    )
    axes.axvline(bench.floor, color="black", linewidth=0.8, linestyle="--", label="floor: two bare renames")
    axes.set_title(
        f"{procedure}: {run.outage.seconds:.2f} s without a write, {len(run.accounting.lost):,} writes lost",
        loc="left",
        fontsize=10,
    )
    axes.set_ylabel("writes / 100 ms")
    axes.spines[["top", "right"]].set_visible(False)


def _runs(pairs: Sequence[Pair]) -> Iterator[tuple[int, str, Run]]:
    for number, pair in enumerate(pairs, 1):
        yield number, "ours", pair.ours
        yield number, "runbook", pair.runbook
