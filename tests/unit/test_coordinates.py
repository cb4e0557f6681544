"""Coordinates: their order is that of the server's history, not that of the alphabet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.core.errors import ActionRequired, Bug
from rds_encrypt.mysql.coordinates import Coordinates, bytes_between, current
from rds_encrypt.mysql.session import Row
from tests.unit.fakes import FakeSession

NUMBERS = st.integers(min_value=1, max_value=10_000_000)
POSITIONS = st.integers(min_value=4, max_value=2**40)
COORDINATES = st.builds(
    lambda number, position: Coordinates(f"mysql-bin-changelog.{number:06d}", position), NUMBERS, POSITIONS
)


def test_a_seventh_digit_comes_after_six() -> None:
    assert Coordinates("mysql-bin-changelog.999999", 500) < Coordinates("mysql-bin-changelog.1000000", 4)


@given(COORDINATES, COORDINATES)
def test_order_is_by_number_then_position(one: Coordinates, other: Coordinates) -> None:
    def key(at: Coordinates) -> tuple[int, int]:
        return int(at.file.rpartition(".")[2]), at.position

    assert (one < other) == (key(one) < key(other))
    assert (one <= other) == (key(one) <= key(other))
    assert (one == other) == (key(one) == key(other))


@given(COORDINATES)
def test_parse_reads_what_str_wrote(at: Coordinates) -> None:
    assert Coordinates.parse(str(at)) == at


@pytest.mark.parametrize(
    "text", ["", "mysql-bin.000001", "mysql-bin.000001:", ":4", "mysql-bin.000001:x", "a:-4"]
)
def test_what_is_no_pair_is_a_bug(text: str) -> None:
    with pytest.raises(Bug, match="not a pair of binlog coordinates"):
        Coordinates.parse(text)


def test_a_file_without_number_has_no_place_in_the_order() -> None:
    with pytest.raises(Bug, match="has no number"):
        _ = Coordinates("binlog", 4) < Coordinates("binlog.000001", 4)


def test_current_reads_the_servers_own_binlog() -> None:
    session = FakeSession({"SHOW MASTER STATUS": [{"File": "binlog.000003", "Position": "157"}]})
    assert current(session) == Coordinates("binlog.000003", 157)


@pytest.mark.parametrize("answer", [[], [{"File": "", "Position": 0}]])
def test_current_says_when_binlogs_are_off(answer: list[Row]) -> None:
    with pytest.raises(ActionRequired, match="binary logging is off"):
        current(FakeSession({"SHOW MASTER STATUS": tuple(answer)}))


@pytest.mark.parametrize(
    ("executed", "bytes_"),
    [
        (Coordinates("b.000001", 100), 0 + 900 + 50),  # in a file that is purged already
        (Coordinates("b.000002", 300), 600 + 50),
        (Coordinates("b.000003", 50), 0),
        (Coordinates("b.000003", 70), 0),  # read before the source's list was
    ],
)
def test_bytes_between_counts_what_lies_beyond(executed: Coordinates, bytes_: int) -> None:
    logs: list[Row] = [
        {"Log_name": "b.000002", "File_size": 900},
        {"Log_name": "b.000003", "File_size": "50"},
    ]
    assert bytes_between(FakeSession({"SHOW BINARY LOGS": logs}), executed) == bytes_
