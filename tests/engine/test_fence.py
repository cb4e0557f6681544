"""Each kind of client tries to write past the fence, with connections from before it, while the cutover is held behind it.

One stage, swapped back and forth: each test is one cutover, held at the moments between the fence and the rename, and after it.
Nothing that is acknowledged by the primary after `fenced` may exist. (Rarer ones: tests/chaos/test_fence_edges.py.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from dev.sandbox.mysql.sessions import execute
from dev.workload.database import rows
from tests.chaos.past_the_fence import (
    CUT,
    INSERT,
    REFUSED,
    answer,
    each_moment,
    opened,
    refuse_all,
    swapping,
    taken,
)
from tests.chaos.stage import Stage, staged
from tests.chaos.traffic import TABLE
from tests.engine.metrics import note_free_storage

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("fence")) as stage:
        yield stage


def test_what_is_not_in_order_keeps_it_from_beginning(stage: Stage) -> None:
    direction = stage.direction
    trigger = "CREATE TRIGGER shop.stray BEFORE DELETE ON shop.orders FOR EACH ROW SET @stray = 1"
    note_free_storage(stage.deployment, "orders", gib=0.5, ago=timedelta(minutes=5))
    with stage.host(direction.candidate) as host:
        execute(host, "SET SESSION sql_log_bin = 0")
        execute(host, trigger)

        ending = stage.start(direction).ending()
        execute(host, "DROP TRIGGER shop.stray")

    assert ending.kind == "failed"
    assert "free-storage (orders has 0.5 GiB free (2 %), less than 5 %)" in ending.sentence
    assert "on one side only: trigger shop.stray on orders, before delete" in ending.sentence
    assert "Nothing was touched" in ending.sentence
    note_free_storage(stage.deployment, "orders", gib=10, ago=timedelta(minutes=1))


def test_a_connection_held_open_in_autocommit_mode(stage: Stage) -> None:
    held = opened(stage, stage.deployment.application)
    assert answer(held, INSERT, 0, "held-before") is None

    with swapping(stage) as (_, child):
        refuse_all(each_moment(child, lambda: answer(held, INSERT, 0, "held-after")))
    assert answer(held, INSERT, 0, "held-later") in REFUSED | CUT


def test_a_transaction_that_was_open_before_the_fence(stage: Stage) -> None:
    held = opened(stage, stage.deployment.application)
    held.begin()
    rows(held, INSERT, 0, "long-before")

    with swapping(stage) as (direction, child):
        answers = each_moment(child, lambda: answer(held, "COMMIT"))
    # Once refused it is rolled back, and an empty transaction may be committed anywhere.
    refuse_all(answers[:1])
    for resource_id in (direction.candidate, direction.primary):
        with stage.connected(resource_id) as connection:
            assert rows(connection, f"SELECT id FROM {TABLE} WHERE token = 'long-before'") == []


def test_a_transaction_that_only_read_before_the_fence(stage: Stage) -> None:
    held = opened(stage, stage.deployment.application)
    held.begin()
    rows(held, f"SELECT COUNT(*) FROM {TABLE} WHERE trial = 0")

    def write_and_commit() -> int | None:
        return answer(held, INSERT, 0, "turned-writer") or answer(held, "COMMIT")

    with swapping(stage) as (_, child):
        refuse_all(each_moment(child, write_and_commit))


def test_a_locking_read_that_was_open_before_the_fence(stage: Stage) -> None:
    held = opened(stage, stage.deployment.application)
    held.begin()
    rows(held, "SELECT id FROM orders WHERE id < 50 FOR UPDATE")

    with swapping(stage) as (_, child):
        refuse_all(each_moment(child, lambda: answer(held, INSERT, 0, "locked")))


def test_ddl_during_the_drain(stage: Stage) -> None:
    held = opened(stage, stage.deployment.master)
    statements = (
        "CREATE TABLE past_the_fence (id INT PRIMARY KEY)",
        "ALTER TABLE orders ADD COLUMN past_the_fence INT",
        "DROP TABLE order_changes",
        "TRUNCATE TABLE heartbeats",
        "CREATE EVENT past_the_fence ON SCHEDULE EVERY 1 SECOND DO DELETE FROM heartbeats",
    )

    with swapping(stage) as (_, child):
        for moment, accepted in each_moment(child, lambda: taken(held, statements)):
            assert accepted == [], moment
