"""Old against new: what counts as a difference, and where the event may run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dev.demo.compare import Table, differences, event_findings

TABLE = Table("orders", "CREATE TABLE `orders` (…)", rows=48_000, checksum=123)
OLD, NEW = 101, 202


def test_equal_tables_do_not_differ() -> None:
    assert differences({"orders": TABLE}, {"orders": replace(TABLE)}) == []


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (replace(TABLE, definition="CREATE TABLE `orders` (other)"), "table orders is defined differently"),
        (
            replace(TABLE, rows=47_999, checksum=9),
            "table orders has 48,000 rows on old and 47,999 on the new one",
        ),
        (replace(TABLE, checksum=124), "table orders has as many rows on both, and another checksum"),
    ],
)
def test_each_difference_is_one_sentence(new: Table, sentence: str) -> None:
    assert differences({"orders": TABLE}, {"orders": new}) == [sentence]


def test_a_table_on_one_side_only_is_a_difference() -> None:
    assert differences({"orders": TABLE}, {}) == ["table orders is only on old"]
    assert differences({}, {"orders": TABLE}) == ["table orders is only on the new one"]


def test_an_event_that_runs_on_the_new_one_only_is_fine() -> None:
    assert event_findings({NEW: 4}, {NEW: 6}, {}, NEW) == []


def test_old_may_have_the_beats_by_following_the_new_one() -> None:
    assert event_findings({NEW: 4}, {NEW: 6}, {NEW: 6}, NEW) == []


def test_an_event_that_stands_still_is_found() -> None:
    assert event_findings({NEW: 4}, {NEW: 4}, {}, NEW) == ["the event does not run on the new one"]


def test_an_event_that_runs_on_old_as_well_is_found_wherever_its_rows_are() -> None:
    sentence = f"the event ran on server {OLD} after the cutover"
    assert event_findings({NEW: 4}, {NEW: 6}, {NEW: 6, OLD: 3}, NEW) == [sentence]
    assert event_findings({NEW: 4}, {NEW: 6, OLD: 1}, {}, NEW) == [sentence]
