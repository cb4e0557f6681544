from __future__ import annotations

import csv
from pathlib import Path

from dev.bench.figures import Bench, Pair, Run
from dev.bench.plot import bars, write_data, write_picture
from dev.bench.table import stretches
from dev.workload.writer import Accounting, Gap, Write

WRITES = [
    Write("1", 0, 99.85, 1_099.85),
    Write("2", 0, 99.95, 1_099.95),
    Write("3", 0, 100.0, 1_100.0),
    Write("4", 0, 103.0, 1_103.0),
]
RUN = Run(
    outage=Gap(100.0, 103.0),
    accounting=Accounting(acknowledged=4, lost=("2",), duplicates=(), unacknowledged=0),
    rate=300.0,
    writes=WRITES,
    timeline={"fenced": 1_100.5, "swap_began": 1_101.0, "fence_requested": 1_099.0},
)
BENCH = Bench("8.0.31", "rename", floors=[2.5], pairs=[Pair(RUN, RUN)])


def test_writes_are_counted_by_tenths_of_a_second_around_the_outage() -> None:
    counted = {bar.second: (bar.acknowledged, bar.lost) for bar in bars(RUN) if bar.acknowledged}

    assert counted == {-0.2: (1, 0), -0.1: (1, 1), 0.0: (1, 0), 3.0: (1, 0)}


def test_every_tenth_has_a_bar_even_if_nothing_was_written() -> None:
    seconds = [bar.second for bar in bars(RUN)]

    assert seconds[0] == -6.0
    assert seconds[-1] == 6.9
    assert len(seconds) == 130


def test_the_data_names_pair_and_road(tmp_path: Path) -> None:
    write_data(BENCH, tmp_path / "data.csv")

    with (tmp_path / "data.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lost = [(row["pair"], row["road"], row["second"]) for row in rows if row["lost_writes"] == "1"]
    assert lost == [("1", "ours", "-0.1"), ("1", "runbook", "-0.1")]


def test_the_picture_is_a_png_of_the_median_pair(tmp_path: Path) -> None:
    assert write_picture(BENCH, tmp_path / "picture.png") == 1
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_the_outage_is_cut_at_the_moments_of_the_timeline() -> None:
    assert stretches(RUN) == [
        ("fence requested → last write", 1.0),
        ("last write → fenced", 0.5),
        ("fenced → swap began", 0.5),
        ("swap began → first write", 2.0),
    ]
