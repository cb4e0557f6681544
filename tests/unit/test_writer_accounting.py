"""The writer's books: gaps, losses, duplicates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.rehearse.writer import Write, account_for, longest_gap


def write(token: str, at: float = 0.0) -> Write:
    return Write(token, connection=0, monotonic=at, wall=at)


def test_longest_gap_is_between_two_acknowledgements() -> None:
    gap = longest_gap([1.0, 2.0, 6.5, 7.0], begin=0.5, end=7.5)
    assert (gap.begin, gap.end, gap.seconds) == (2.0, 6.5, 4.5)


def test_a_writer_that_never_came_back_has_a_gap_until_the_end() -> None:
    assert longest_gap([1.0, 2.0], begin=0.0, end=30.0).seconds == 28.0


def test_no_acknowledgement_at_all_is_one_gap() -> None:
    assert longest_gap([], begin=3.0, end=9.0).seconds == 6.0


def test_moments_outside_of_the_window_do_not_count() -> None:
    assert longest_gap([0.0, 5.0, 11.0, 12.0], begin=1.0, end=10.0).seconds == 5.0


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 50), st.floats(51, 100))
def test_the_longest_gap_lies_in_the_window_and_holds_no_moment(
    moments: list[float], begin: float, end: float
) -> None:
    gap = longest_gap(moments, begin, end)
    assert begin <= gap.begin <= gap.end <= end
    assert not any(gap.begin < moment < gap.end for moment in moments)
    assert gap.seconds >= (end - begin) / (len(moments) + 1) - 1e-9


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    books = account_for([write("a"), write("b"), write("c")], ["a", "c"])
    assert books.acknowledged == 3
    assert books.lost == ("b",)
    assert books.duplicates == ()


def test_what_is_there_twice_is_a_duplicate() -> None:
    assert account_for([write("a")], ["a", "a"]).duplicates == ("a",)


def test_a_row_without_acknowledgement_is_neither_lost_nor_wrong() -> None:
    books = account_for([write("a")], ["a", "cut off before the answer"])
    assert (books.lost, books.duplicates, books.unacknowledged) == ((), (), 1)


@pytest.mark.parametrize("present", [[], ["x"]])
def test_nothing_written_loses_nothing(present: list[str]) -> None:
    assert account_for([], present).lost == ()
