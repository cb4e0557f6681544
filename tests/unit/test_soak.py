"""What a soak reports as wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.soak import Lap, found_wrong

_LAP = Lap(
    number=1,
    seconds=60.0,
    acknowledged=5_000,
    lost=0,
    twice=0,
    left_behind=[],
    servers=0,
    strangers=0,
    descriptors=20,
    threads=6,
    megabytes=200.0,
)


def _laps(threads_per_lap: int = 0, megabytes_per_lap: float = 0.3, laps: int = 30) -> list[Lap]:
    # What a lap happens to have open varies by ten or so.
    return [
        replace(
            _LAP,
            number=n,
            descriptors=20 + 7 * (n % 3),
            threads=6 + threads_per_lap * n,
            megabytes=200 + megabytes_per_lap * n,
        )
        for n in range(1, laps + 1)
    ]


def test_an_ordinary_hour_is_right() -> None:
    assert found_wrong(_laps()) == []


def test_a_thread_more_after_each_lap_is_a_leak() -> None:
    assert found_wrong(_laps(threads_per_lap=1)) == ["the sandbox has 1.0 more threads after each lap"]


def test_memory_that_grows_from_lap_to_lap_is_a_leak() -> None:
    assert found_wrong(_laps(megabytes_per_lap=5.0)) == ["the sandbox has 5.0 more megabytes after each lap"]


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"lost": 1}, "lap 7: 1 writes lost, 0 there twice"),
        ({"twice": 2}, "lap 7: 0 writes lost, 2 there twice"),
        ({"left_behind": ["snapshot x"]}, "lap 7: snapshot x is left"),
        ({"servers": 1}, "lap 7: 1 servers and 0 processes still run"),
        ({"strangers": 1}, "lap 7: 0 servers and 1 processes still run"),
    ],
)
def test_whatever_is_lost_or_stays_is_named(changes: dict[str, object], finding: str) -> None:
    laps = _laps()
    laps[6] = replace(laps[6], **changes)  # type: ignore[arg-type]
    assert found_wrong(laps) == [finding]
