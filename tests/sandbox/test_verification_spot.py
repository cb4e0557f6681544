"""The last check of a cutover: what was written last, on both, within the time for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rds_encrypt.verification.spot import spot_check
from tests.sandbox.mysql_support import VERSIONS
from tests.sandbox.verification_support import Twins, twins


@pytest.fixture(scope="module", params=VERSIONS)
def pair(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Twins]:
    with twins(tmp_path_factory.mktemp("twins"), request.param) as pair:
        yield pair


@pytest.fixture
def shop(pair: Twins) -> Twins:
    pair.empty()
    pair.both(
        "CREATE TABLE orders (id INT PRIMARY KEY, v INT)",
        "CREATE TABLE notes (a INT, b VARCHAR(20))",
        "CREATE TABLE parts (a VARCHAR(10), b INT, v INT, PRIMARY KEY (a, b))",
        f"INSERT INTO orders VALUES {', '.join(f'({n}, 0)' for n in range(5000))}",
        "INSERT INTO notes VALUES (1, 'x'), (1, 'x')",
        f"INSERT INTO parts VALUES {', '.join(f'({n // 10}, {n % 10}, 0)' for n in range(1000))}",
    )
    return pair


def test_equal_servers_are_equal_and_the_sessions_are_as_before(shop: Twins) -> None:
    before = shop.ours.row("SELECT @@time_zone, @@sql_mode, @@max_execution_time")
    result = spot_check(shop.ours, shop.theirs, seconds=5.0)

    assert (result.tables, result.left, result.differences) == (3, 0, ())
    assert result.rows == 200 + 2 + 200
    assert shop.ours.row("SELECT @@time_zone, @@sql_mode, @@max_execution_time") == before


@pytest.mark.parametrize(
    ("corruption", "key"),
    [
        ("UPDATE orders SET v = 1 WHERE id = 4999", "id=4999"),
        ("DELETE FROM orders WHERE id = 4900", "id=4900"),
        ("INSERT INTO orders VALUES (6000, 1)", "id=6000"),
        ("UPDATE parts SET v = 1 WHERE a = '99' AND b = 9", "a='99', b=9"),
    ],
)
def test_what_went_wrong_with_the_newest_rows_is_found(shop: Twins, corruption: str, key: str) -> None:
    shop.corrupt(corruption)
    (difference,) = spot_check(shop.ours, shop.theirs, seconds=5.0).differences
    assert difference.key == key


def test_a_table_that_is_gone_is_found(shop: Twins) -> None:
    shop.corrupt("DROP TABLE notes")
    (difference,) = spot_check(shop.ours, shop.theirs, seconds=5.0).differences
    assert (difference.kind, difference.subject) == ("table", "shop.notes")


def test_what_there_is_no_time_for_is_counted(shop: Twins) -> None:
    result = spot_check(shop.ours, shop.theirs, seconds=0.0)
    assert (result.differences, result.tables) == ((), 0)
    assert result.seconds < 1
