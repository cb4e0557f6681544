"""Clients try to write past locked accounts, where the parameter group is AWS's default and cannot carry a fence."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from dev.workload.database import rows, value
from rds_encrypt.journal import Tag, as_tag_value
from tests.chaos import invariants
from tests.chaos.past_the_fence import CUT, INSERT, answer, each_moment, opened, refuse_all, swapping
from tests.chaos.stage import Stage, staged
from tests.engine.test_runbook import commands

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LOCKED = 3118
RETIRED = "clerk who left"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("accounts"), fence="accounts") as stage:
        with stage.connected(stage.direction.primary) as master:
            rows(master, "CREATE USER %s@'10.%%' IDENTIFIED BY 'throw-away-Password-1' ACCOUNT LOCK", RETIRED)
        yield stage


def test_events_that_would_write_on_keep_the_fence_from_being_chosen(stage: Stage) -> None:
    with stage.connected(stage.direction.primary) as master:
        rows(master, "ALTER EVENT heartbeat ENABLE")

    ending = stage.start(stage.direction).ending()

    assert ending.kind == "failed"
    assert "fence-possible (parameter group default.mysql8.0 is AWS's default" in ending.sentence
    assert "1 scheduled events would keep writing (such as shop.heartbeat)" in ending.sentence
    with stage.connected(stage.direction.primary) as master:
        rows(master, "ALTER EVENT heartbeat DISABLE")


def test_connections_from_before_are_cut_and_nobody_comes_in(stage: Stage) -> None:
    held = opened(stage, stage.deployment.application)
    assert answer(held, INSERT, 0, "held-before") is None

    with swapping(stage) as (_, child):
        attempts = each_moment(child, lambda: (answer(held, INSERT, 0, "held-after"), login(stage)))
    refuse_all([(moment, written) for moment, (written, _) in attempts])
    assert {entered for _, (_, entered) in attempts} == {LOCKED}
    assert answer(held, INSERT, 0, "held-later") in CUT
    require_accounts_as_before(stage)


def test_a_run_that_is_killed_behind_the_fence_is_undone_by_the_next(stage: Stage) -> None:
    direction = stage.direction
    stage.traffic.trial += 1
    killed = stage.start(direction, "drained")
    assert killed.wait_held("drained")
    assert login(stage) == LOCKED
    killed.kill()
    assert killed.ending().kind == "killed"
    assert login(stage) == LOCKED, "the fence must outlive us"

    unlock_by_hand(stage, direction.primary)

    assert login(stage) is None
    with swapping(stage):
        pass
    require_accounts_as_before(stage)
    assert invariants.untouched(stage) == []


def test_a_write_with_our_own_account_after_the_last_look_is_reported(stage: Stage) -> None:
    """The fence cannot lock that account; RDS restarts the instance read-only only when it renames it."""
    direction = stage.direction
    stage.traffic.trial += 1
    child = stage.start(direction, "swap_began")
    assert child.wait_held("swap_began")
    with stage.connected(direction.primary) as master:
        assert answer(master, INSERT, stage.traffic.trial, "with-our-account") is None
    child.go()

    assert child.ending().kind == "completed"
    reason = "orders-old has writes to schema `shop` that production does not have"
    assert child.outputs["rollback_path"] == f"lost: {reason}"
    assert stage.tags(stage.encrypted_id)[Tag.ROLLBACK_LOST] == as_tag_value(reason)
    stage.swapped ^= True


def unlock_by_hand(stage: Stage, primary: str) -> None:
    """Do what docs/runbook.md says; the tags stay, so the next run takes it up from there."""
    heading = "### Accounts that are locked"
    (look,) = commands(heading, language="sql")
    (unlock,) = commands(heading, language="sql", block=1)
    before = stage.tags(primary)[Tag.LOCKED_BEFORE]
    with stage.connected(primary) as master:
        digests = {(row["user"], row["host"]): row["digest"] for row in rows(master, look)}
        ours = [account for account, digest in digests.items() if digest not in before]
        assert [user for user, _ in digests if (user, _) not in ours] == [RETIRED]
        for user, host in ours:
            rows(master, unlock.replace("'app'@'%'", "%s@%s"), user, host)


def login(stage: Stage) -> int | None:
    """Return the number of the error with which a login as the application is refused, ``None`` if it is not."""
    try:
        opened(stage, stage.deployment.application).close()
    except pymysql.err.MySQLError as error:
        return int(error.args[0])
    return None


def require_accounts_as_before(stage: Stage) -> None:
    """On both instances the application may log in, the clerk may not, and the probe is gone."""
    for resource_id in (stage.direction.primary, stage.direction.candidate):
        with stage.connected(resource_id) as connection:
            locked = {
                row["user"]: row["locked"]
                for row in rows(connection, "SELECT user AS user, account_locked AS locked FROM mysql.user")
            }
        assert locked[stage.deployment.application.user] == "N"
        assert locked[RETIRED] == "Y"
        assert "rds_encrypt_probe" not in locked
    with opened(stage, stage.deployment.application) as connection:
        assert value(connection, "SELECT @@server_uuid") == stage.servers[stage.direction.primary]
