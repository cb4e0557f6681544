"""The progress of a catch-up in words: percent, time left and rate, from what several looks have seen."""

from __future__ import annotations

from rds_encrypt.mysql.catch_up_progress import CatchUpProgress
from rds_encrypt.mysql.coordinates import Coordinates

MB = 1_000_000


class Chase:
    """A source that writes and a replica that executes, in bytes of one binlog, by a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.written = 100 * MB
        self.executed = 0
        self.progress = CatchUpProgress(self.between, clock=lambda: self.now)

    def between(self, since: Coordinates) -> int:
        return self.written - since.position

    def look(self, seconds: float = 0, *, writes: int = 0, executes: int = 0) -> str:
        self.now += seconds
        self.written += writes
        self.executed += executes
        return self.progress.words(Coordinates("b.000001", self.executed), self.written - self.executed)


def test_one_look_tells_nothing() -> None:
    chase = Chase()
    assert chase.look() == ""
    assert chase.look(1, executes=MB) == ""


def test_rate_and_time_left_by_what_was_executed() -> None:
    chase = Chase()
    chase.look()
    assert chase.look(10, executes=20 * MB) == "20 %, 40 s left, applies 2.0 MB/s"


def test_writes_meanwhile_lengthen_the_way_but_not_the_rate() -> None:
    chase = Chase()
    chase.look()
    assert chase.look(10, writes=10 * MB, executes=20 * MB) == "10 %, 90 s left, applies 2.0 MB/s"


def test_a_source_that_writes_faster_is_said_not_to_be_reached() -> None:
    chase = Chase()
    chase.look()
    assert (
        chase.look(10, writes=30 * MB, executes=20 * MB) == "0 %, not gaining on the source, applies 2.0 MB/s"
    )


def test_rates_are_those_of_the_last_minute() -> None:
    chase = Chase()
    chase.look()
    for _ in range(10):
        chase.look(10, executes=MB // 100)
    for _ in range(6):
        chase.look(10, executes=5 * MB)
    assert chase.look(10, executes=5 * MB) == "35 %, 2 min left, applies 0.5 MB/s"


def test_a_long_time_is_shown_in_hours_and_slow_ones_in_kilobytes() -> None:
    chase = Chase()
    chase.look()
    assert chase.look(100, executes=MB) == "1 %, 2.8 h left, applies 10 kB/s"


def test_at_the_end_nothing_is_left_to_say() -> None:
    chase = Chase()
    chase.look()
    assert chase.look(10, executes=100 * MB) == ""
