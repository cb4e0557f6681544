"""AWS's answers are late: for a while it does not find what it has just made, and tells statuses, names and tags of before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.chaos.roads import judge
from tests.chaos.roads.chain import follow
from tests.engine.account import look
from tests.engine.checks import wait_until
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]

LATE = 800
"""Milliseconds: longer than most changes take in the sandbox's time model, so that some are over before they are seen."""


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("late")) as road:
        yield road


@pytest.fixture(scope="module")
def before(road: Road) -> dict[str, Any]:
    return look(road)


@contextmanager
def late(road: Road) -> Iterator[None]:
    road.sandbox.faults.lag(LATE)
    try:
        yield
    finally:
        road.sandbox.faults.lag(0)


def reaches(road: Road, phase: str, end: Callable[[], list[str]]) -> None:
    """Go to a phase while answers are late, and look at it when they are not.

    A run may end with a sentence of ours, and the next one go on: the stand-in for the AWS provider waits as briefly as the sandbox
    is quick, so it goes on from an instance that it has not seen change yet.
    """
    road.configure(phase)
    with late(road):
        chain = follow(road, "up", phase, ())
    assert chain.wrong == []
    # And it has written old settings into the state.
    assert road.note(road.workspace.refresh("--skip-preview")).ok
    assert end() == []


def test_an_answer_is_as_old_as_the_fault_makes_it(road: Road) -> None:
    rds = road.client("rds")
    with late(road):
        rds.modify_db_instance(DBInstanceIdentifier="orders", BackupRetentionPeriod=6, ApplyImmediately=True)
        assert road.instance("orders")["BackupRetentionPeriod"] == 7
        rds.create_db_instance_read_replica(DBInstanceIdentifier="new", SourceDBInstanceIdentifier="orders")
        with pytest.raises(rds.exceptions.DBInstanceNotFoundFault):
            road.instance("new")
    assert road.instance("new")["DBInstanceStatus"] in {"creating", "backing-up", "modifying", "available"}
    wait_until(lambda: road.instance("orders")["BackupRetentionPeriod"] == 6)
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier="new", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    rds.delete_db_instance(DBInstanceIdentifier="new", SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(
        DBInstanceIdentifier="new", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def test_replicate(road: Road, before: dict[str, Any]) -> None:
    reaches(road, "replicate", lambda: judge.replicating(road))


def test_destroy(road: Road, before: dict[str, Any]) -> None:
    with late(road):
        road.destroy()
    assert judge.as_it_was(road, before) == []


def test_there_and_back_and_there_again(road: Road, before: dict[str, Any]) -> None:
    source = road.instance("orders")
    reaches(road, "replicate", lambda: judge.replicating(road))
    reaches(road, "cutover", lambda: judge.cut_over(road))
    reaches(road, "rollback", lambda: judge.rolled_back(road, source))
    reaches(road, "cutover", lambda: judge.cut_over(road))


def test_cleanup(road: Road, before: dict[str, Any]) -> None:
    source = before["instances"]["orders"]
    reaches(road, "cleanup", lambda: judge.cleaned_up(road, source))
