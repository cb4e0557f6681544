"""Who tries to write past the fence, continued: the widest grants, prepared transactions, DDL in the fence's way.

Not part of `make test`: `make test-long`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dev.workload.database import rows, value
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Connection
from tests.chaos import invariants
from tests.chaos.past_the_fence import answer, each_moment, opened, swapping, taken
from tests.chaos.stage import ACCEPTED, Stage, staged
from tests.chaos.traffic import TABLE

pytestmark = [pytest.mark.engine, pytest.mark.slow]

BROAD = Credentials("auditor", "throw-away-Password-1")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("edges")) as stage:
        with stage.connected(stage.direction.primary) as master:
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


def test_a_user_with_all_that_the_master_user_can_grant(stage: Stage) -> None:
    held = opened(stage, BROAD)
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
        for moment, accepted in each_moment(child, lambda: taken(held, statements)):
            assert accepted == [], moment


def test_a_transaction_prepared_before_the_fence(stage: Stage) -> None:
    """XA: what is prepared survives the end of its session, and `read_only` lets it be committed: no cutover with it."""
    held = opened(stage, stage.deployment.application)
    rows(held, "XA START 'fence'")
    rows(held, f"INSERT INTO {TABLE} (trial, token, batch) VALUES (0, 'xa', 'fence')")
    rows(held, "XA END 'fence'")
    rows(held, "XA PREPARE 'fence'")
    direction = stage.direction
    stage.traffic.trial += 1

    before = stage.start(direction).ending()
    assert before.kind == "failed", str(before)
    assert "no-prepared-xa (1 prepared (XA) transactions wait for their COMMIT)" in before.sentence
    stage.inputs["accept"] = {**ACCEPTED, "no-prepared-xa": "to see what the fence does"}
    behind = stage.start(direction).ending()
    ended = time.monotonic()
    stage.inputs["accept"] = ACCEPTED
    assert (behind.kind, behind.undone) == ("failed", True), str(behind)
    assert "a prepared (XA) transaction could be committed behind the fence" in behind.sentence
    assert invariants.safely_aborted(stage, direction, ended) == []

    rows(opened(stage, stage.deployment.application), "XA COMMIT 'fence'")
    with swapping(stage):
        pass
    with stage.connected(direction.candidate) as connection:
        assert len(rows(connection, f"SELECT id FROM {TABLE} WHERE token = 'xa'")) == 1


def test_ddl_that_waits_for_a_reader_when_the_fence_closes(stage: Stage) -> None:
    """It holds the server's write lock, so that the fence cannot close; the cutover may give up, but not lose anything."""
    reader, alterer = opened(stage, stage.deployment.application), opened(stage, stage.deployment.master)
    reader.begin()
    rows(reader, "SELECT COUNT(*) FROM products")
    answers: list[int | None] = []
    ddl = threading.Thread(
        target=lambda: answers.append(answer(alterer, "ALTER TABLE products ADD COLUMN late INT"))
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
    assert invariants.accounting(acks, stage.rows_of(direction.candidate, stage.traffic.trial)) == []
    for resource_id in (direction.candidate, direction.primary):
        with stage.connected(resource_id) as connection:
            columns = {row["Field"] for row in rows(connection, "SHOW COLUMNS FROM products")}
        assert ("late" in columns) == (answers == [None]), f"{answers}, {columns}"
    assert invariants.completed(stage, direction) == []
