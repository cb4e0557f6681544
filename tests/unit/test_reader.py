"""What counts as a read of the past."""

from __future__ import annotations

import pytest

from dev.workload.reader import Read, wrong_reads

ROWS = {1: 10.0, 2: 11.0, 3: 12.0, 4: 13.0}
"""Ids, and when they were acknowledged."""


@pytest.mark.parametrize(
    ("reads", "wrong"),
    [
        ([(10.5, 1), (12.5, 3), (13.5, 4)], 0),
        ([(12.5, 3), (14.0, 3), (20.0, 4)], 0),
        # It saw 3, and then what was there before: row 3 is a second and a half old by then, and the reader was never behind.
        ([(12.5, 3), (13.5, 2)], 1),
        # No worse than it was before.
        ([(12.9, 1), (12.95, 3), (13.5, 2)], 0),
        # Rows that nobody acknowledged are no measure.
        ([(12.5, 3), (12.6, 7), (12.7, 3)], 0),
        ([], 0),
    ],
)
def test_a_read_of_the_past_is_one_further_back_than_the_reader_ever_was(
    reads: list[tuple[float, int]], wrong: int
) -> None:
    assert wrong_reads([Read(*read) for read in reads], ROWS) == wrong
