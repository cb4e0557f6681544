"""The log of the lag, and the curve that the report draws of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.mysql.lag import Lag
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.lag_curve import HEIGHT, WIDTH, curve
from rds_encrypt.reports.lag_log import FILE, LagLog

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MB = 1_000_000


def looks(*rows: tuple[float, float | None, int]) -> dict[str, Any]:
    """A log of looks, each at so many seconds after noon."""
    return {
        "looks": [[(NOON + timedelta(seconds=at)).isoformat(), behind, size] for at, behind, size in rows]
    }


def lag(seconds: int | None, size: int) -> Lag:
    return Lag(cast(Any, SimpleNamespace(seconds_behind=seconds)), cast(Any, None), size)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=5)
        return self.now


def numbers(points: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in points.split())]


def test_a_later_run_goes_on_with_the_log(tmp_path: Path) -> None:
    files, clock = Files("orders", directory=tmp_path), Clock()
    for seconds in (30, 0):
        log = LagLog(files, "db-E", clock)
        log.add(lag(seconds, seconds * MB))
        log.close()
    kept = (files.read_json(FILE) or {})["looks"]
    assert [(behind, size) for _, behind, size in kept] == [(30, 30 * MB), (0, 0)]

    again = LagLog(files, "db-ANOTHER", clock)
    again.add(lag(None, 7))
    again.close()
    assert [row[1:] for row in (files.read_json(FILE) or {})["looks"]] == [[None, 7]]


def test_a_long_wait_keeps_as_many_looks_as_a_page_can_show(tmp_path: Path) -> None:
    files = Files("orders", directory=tmp_path)
    log = LagLog(files, "db-E", Clock())
    for number in range(5000):
        log.add(lag(0, number))
    log.close()
    sizes = [size for _, _, size in (files.read_json(FILE) or {})["looks"]]
    assert 300 <= len(sizes) <= 600
    assert (sizes[0], sizes[-1]) == (0, 4999)
    assert sizes == sorted(sizes)


def test_a_log_that_cannot_be_written_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    warnings: list[str] = []
    log = LagLog(Files("orders", warnings.append, tmp_path / "file"), "db-E")
    for _ in range(3):
        log.close()
    assert len(warnings) == 1


@pytest.mark.parametrize("log", [None, {}, looks(), looks((0, 5, MB))])
def test_nothing_is_drawn_of_fewer_than_two_looks(log: dict[str, Any] | None) -> None:
    assert curve(log) is None


def test_the_line_falls_with_the_lag() -> None:
    drawn = curve(looks((0, 100, 50 * MB), (50, 60, 25 * MB), (100, 0, 0)))
    assert drawn is not None
    size, seconds = drawn["panels"]
    assert (size["most"], seconds["most"]) == ("50.0 MB", "100 s")
    assert numbers(size["lines"][0]) == [(0, 0), (WIDTH / 2, HEIGHT / 2), (WIDTH, HEIGHT)]
    assert numbers(seconds["lines"][0])[1] == (WIDTH / 2, HEIGHT * 0.4)
    assert (drawn["breaks"], drawn["looks"]) == ([], 3)


def test_what_nobody_watched_is_cut_out_and_said() -> None:
    """A catch-up, a day of nothing, and the drain at the cutover."""
    log = looks((0, 10, MB), (100, 0, 0))
    drawn = curve(log, [NOON + timedelta(days=1)])
    assert drawn is not None
    (gap,) = drawn["breaks"]
    assert gap["lasted"] == "23 h 58 min"
    assert gap["x"] + gap["width"] == WIDTH
    (panel, _) = drawn["panels"]
    assert len(panel["lines"]) == 1
    assert panel["points"] == [{"x": WIDTH, "y": HEIGHT}]


def test_seconds_that_mysql_does_not_know_are_left_out() -> None:
    drawn = curve(looks((0, None, 5 * MB), (10, None, 0)))
    assert drawn is not None
    assert [panel["title"] for panel in drawn["panels"]] == ["MB of binlog behind"]
    mixed = curve(looks((0, None, 5 * MB), (10, 4, 3 * MB), (20, 0, 0)))
    assert mixed is not None
    assert len(numbers(mixed["panels"][1]["lines"][0])) == 2


def test_a_replica_that_was_never_behind_lies_on_the_ground() -> None:
    drawn = curve(looks((0, 0, 0), (10, 0, 0)))
    assert drawn is not None
    assert {y for _, y in numbers(drawn["panels"][0]["lines"][0])} == {HEIGHT}


def test_in_a_row_figures_come_first_and_trouble_before_them() -> None:
    """At 140 columns a row has room for some forty characters."""
    status: Any = SimpleNamespace(seconds_behind=30, error="")
    words = Lag(status, cast(Any, None), 12_340_000).in_a_row("45 %, 3 min left, applies 3.2 MB/s")
    assert words == "lag 30 s, 12.3 MB, 45 %, 3 min left, applies 3.2 MB/s"
    assert words.index(" left") < 40

    status = SimpleNamespace(seconds_behind=None, error="error connecting to the source")
    assert (
        Lag(status, cast(Any, None), 0).in_a_row("") == "lag unknown, error connecting to the source, 0.0 MB"
    )
