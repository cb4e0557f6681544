"""Numbers, durations and lines as the terminal and the reports show them."""

from __future__ import annotations

import pytest

from rds_encrypt.core.words import about, counted, duration, folded, gib


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (99.94, "99.9 s"),
        (100, "1 min 40 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (190000, "2 d 4 h"),
    ],
)
def test_measured_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (99, "99 s"), (120, "2 min"), (89 * 60, "89 min"), (5400, "1.5 h"), (14 * 3600, "14 h")],
)
def test_estimated_durations_are_rounded(seconds: float, text: str) -> None:
    assert about(seconds) == text


def test_in_minutes_a_few_seconds_are_a_minute() -> None:
    assert about(5, in_minutes=True) == "1 min"


def test_only_one_is_in_the_singular() -> None:
    assert [counted(count, "row") for count in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_bytes_are_shown_in_gib() -> None:
    assert gib(3 * 2**29) == "1.5 GiB"


def test_text_is_folded_between_words() -> None:
    text = f"orders: {'it has a flaw, ' * 12}{'x' * 90} and no end."
    first, *rest = folded(text, "warning: ")
    assert first.startswith("warning: orders: it has")
    assert all(line.startswith("  ") and (len(line) <= 76 or "x" * 90 in line) for line in rest)
    assert len(first) <= 76
    assert " ".join(" ".join([first, *rest]).split()) == f"warning: {text}"
