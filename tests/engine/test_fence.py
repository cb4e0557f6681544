"""Who tries to write past the fence: each kind of client, with connections from before it, while the swap holds behind it.

One stage, swapped to and fro: each test is one swap, held at the moments between the fence and the rename, and after it.
Nothing that is acknowledged by the losing instance after `fenced` may exist.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pymysql
import pytest

from demo.database import Account, Address, Connection, connect, rows, value
from tests.chaos import invariants
from tests.chaos.child import Child
from tests.chaos.stage import Direction, Stage, staged
from tests.chaos.traffic import TABLE

T = TypeVar("T")

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

MOMENTS = ("fenced", "drained", "promoted", "swap_began")
"""Where each swap holds, while the losing instance still has the name."""
REFUSED = {1290, 1836, 1792, 3100}
CUT = {2006, 2013, 2003, 2002, 0, 1053, 3169}
BROAD = Account("auditor", "throw-away-Password-1")
_INSERT = f"INSERT INTO {TABLE} (trial, token, batch) VALUES (%s, %s, 'fence')"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("fence")) as stage:
        with stage.connected(stage.direction.losing) as master:
            _make_broad_user(master)
        yield stage


def _make_broad_user(master: Connection) -> None:
    """All that the master user can give away: everything but what RDS keeps for itself."""
    own = str(value(master, "SELECT CURRENT_USER()")).split("@", maxsplit=1)[0]
    grants = [str(next(iter(row.values()))) for row in rows(master, "SHOW GRANTS")]
    rows(master, "CREATE USER %s@'%%' IDENTIFIED BY %s", BROAD.user, BROAD.password)
    for grant in grants:
        if " ON *.* " in grant:
            rows(master, grant.replace(f"`{own}`@`%`", f"`{BROAD.user}`@`%`"))


@contextmanager
def swapping(stage: Stage) -> Iterator[tuple[Direction, Child]]:
    """Run one swap that holds at each moment; afterwards it must be done, and every write be accounted for."""
    direction = stage.direction
    stage.traffic.trial += 1
    child = stage.start(direction, *MOMENTS)
    try:
        yield direction, child
    finally:
        for _ in MOMENTS:
            child.go()
        ending = child.ending()
        stage.swapped ^= ending.kind == "completed"
    assert ending.kind == "completed", str(ending)
    acks = stage.traffic.acks(stage.traffic.trial)
    losing, winning = stage.servers[direction.losing], stage.servers[direction.winning]
    assert invariants.one_writer(acks, losing, winning) == []
    assert invariants.accounting(acks, stage.rows_of(direction.winning, stage.traffic.trial)) == []
    assert invariants.completed(stage, direction) == []


def _name(stage: Stage) -> Address:
    return stage.road.address("orders")


def _open(stage: Stage, who: Account) -> Connection:
    return connect(_name(stage), who, database=stage.road.seeded.database, timeout=10.0)


def _answer(connection: Connection, statement: str, *arguments: object) -> int | None:
    """Return the number of the error, ``None`` if the server took it."""
    try:
        rows(connection, statement, *arguments)
    except pymysql.err.MySQLError as error:
        return int(error.args[0]) if error.args else 0
    return None


def _taken(connection: Connection, statements: Iterable[str]) -> list[str]:
    """Return the statements that the server took."""
    return [statement for statement in statements if _answer(connection, statement) is None]


def _each_moment(child: Child, act: Callable[[], T]) -> list[tuple[str, T]]:
    """Do the same at each moment at which the swap holds."""
    found = []
    for moment in MOMENTS:
        assert child.wait_held(moment), f"the run ended before {moment}"
        found.append((moment, act()))
        child.go()
    return found


def _refused(found: list[tuple[str, int | None]]) -> None:
    taken = [moment for moment, code in found if code not in REFUSED | CUT]
    assert taken == [], f"{found}"


def test_a_connection_held_open_in_autocommit_mode(stage: Stage) -> None:
    held = _open(stage, stage.road.application)
    assert _answer(held, _INSERT, 0, "held-before") is None

    with swapping(stage) as (_, child):
        _refused(_each_moment(child, lambda: _answer(held, _INSERT, 0, "held-after")))
    assert _answer(held, _INSERT, 0, "held-later") in REFUSED | CUT


def test_a_transaction_that_was_open_before_the_fence(stage: Stage) -> None:
    held = _open(stage, stage.road.application)
    held.begin()
    rows(held, _INSERT, 0, "long-before")

    with swapping(stage) as (direction, child):
        found = _each_moment(child, lambda: _answer(held, "COMMIT"))
    # Once refused it is rolled back, and an empty transaction may be committed anywhere.
    _refused(found[:1])
    for each in (direction.winning, direction.losing):
        with stage.connected(each) as connection:
            assert rows(connection, f"SELECT id FROM {TABLE} WHERE token = 'long-before'") == []


def test_a_transaction_that_only_read_before_the_fence(stage: Stage) -> None:
    held = _open(stage, stage.road.application)
    held.begin()
    rows(held, f"SELECT COUNT(*) FROM {TABLE} WHERE trial = 0")

    def write_and_commit() -> int | None:
        return _answer(held, _INSERT, 0, "turned-writer") or _answer(held, "COMMIT")

    with swapping(stage) as (_, child):
        _refused(_each_moment(child, write_and_commit))


def test_a_locking_read_that_was_open_before_the_fence(stage: Stage) -> None:
    held = _open(stage, stage.road.application)
    held.begin()
    rows(held, "SELECT id FROM orders WHERE id < 50 FOR UPDATE")

    with swapping(stage) as (_, child):
        _refused(_each_moment(child, lambda: _answer(held, _INSERT, 0, "locked")))


def test_ddl_during_the_drain(stage: Stage) -> None:
    held = _open(stage, stage.road.master)
    statements = (
        "CREATE TABLE past_the_fence (id INT PRIMARY KEY)",
        "ALTER TABLE orders ADD COLUMN past_the_fence INT",
        "DROP TABLE order_changes",
        "TRUNCATE TABLE heartbeats",
        "CREATE EVENT past_the_fence ON SCHEDULE EVERY 1 SECOND DO DELETE FROM heartbeats",
    )

    with swapping(stage) as (_, child):
        for moment, taken in _each_moment(child, lambda: _taken(held, statements)):
            assert taken == [], moment


def test_a_user_with_all_that_the_master_user_can_grant(stage: Stage) -> None:
    held = _open(stage, BROAD)
    statements = (
        "UPDATE orders SET note = 'past the fence' WHERE id = 1",
        "DELETE FROM order_items WHERE order_id = 1",
        "CREATE USER past_the_fence IDENTIFIED BY 'throw-away-Password-1'",
        "GRANT SELECT ON shop.* TO app",
        "CREATE DATABASE past_the_fence",
        "SET GLOBAL read_only = 0",
        "CALL ship_order(1)",
        "CREATE TABLE past_the_fence ENGINE = MyISAM SELECT 1 AS id",
    )

    with swapping(stage) as (_, child):
        for moment, taken in _each_moment(child, lambda: _taken(held, statements)):
            assert taken == [], moment


def test_a_transaction_prepared_before_the_fence(stage: Stage) -> None:
    """XA: what is prepared survives the end of its session, and even a restart."""
    held = _open(stage, stage.road.application)
    for statement in (
        "XA START 'fence'",
        f"INSERT INTO {TABLE} (trial, token, batch) VALUES (0, 'xa', 'fence')",
    ):
        rows(held, statement)
    rows(held, "XA END 'fence'")
    rows(held, "XA PREPARE 'fence'")

    with swapping(stage) as (_, child):
        _refused(_each_moment(child, lambda: _answer(held, "XA COMMIT 'fence'")))


def test_ddl_that_waits_for_a_reader_when_the_fence_closes(stage: Stage) -> None:
    """It holds the server's write lock, so that the fence cannot close; the swap may give up, but not lose anything."""
    reader, alterer = _open(stage, stage.road.application), _open(stage, stage.road.master)
    reader.begin()
    rows(reader, "SELECT COUNT(*) FROM products")
    answers: list[int | None] = []
    ddl = threading.Thread(
        target=lambda: answers.append(_answer(alterer, "ALTER TABLE products ADD COLUMN late INT"))
    )
    ddl.start()
    time.sleep(0.5)
    direction = stage.direction
    stage.traffic.trial += 1

    child = stage.start(direction)
    ending = child.ending()
    ended = time.monotonic()
    reader.close()
    ddl.join(30)

    assert ending.ours, str(ending)
    if ending.kind == "failed":
        assert invariants.safely_aborted(stage, direction, ended) == []
        ending = stage.start(direction).ending()
    assert ending.kind == "completed", str(ending)
    stage.swapped = not stage.swapped
    acks = stage.traffic.acks(stage.traffic.trial)
    assert invariants.accounting(acks, stage.rows_of(direction.winning, stage.traffic.trial)) == []
    for each in (direction.winning, direction.losing):
        with stage.connected(each) as connection:
            columns = {row["Field"] for row in rows(connection, "SHOW COLUMNS FROM products")}
        assert ("late" in columns) == (answers == [None]), f"{answers}, {columns}"
    assert invariants.completed(stage, direction) == []
