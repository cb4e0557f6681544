"""AWS's answers are late: for a while it does not find what it has just made, and tells statuses, names and tags of before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.chaos.procedure import judge
from tests.chaos.procedure.chain import follow
from tests.engine.account import look
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LATE = 800
"""Milliseconds: longer than most changes take in the sandbox's time model, so that some are over before they are seen."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("late")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def before(deployment: Deployment) -> dict[str, Any]:
    return look(deployment)


@contextmanager
def late(deployment: Deployment) -> Iterator[None]:
    deployment.sandbox.faults.lag(LATE)
    try:
        yield
    finally:
        deployment.sandbox.faults.lag(0)


def reaches(deployment: Deployment, phase: str, end: Callable[[], list[str]]) -> None:
    """Go to a phase while answers are late, and look at it when they are not.

    A run may end with a sentence of ours, and the next one go on: the stand-in for the AWS provider waits as briefly as the sandbox
    is quick, so it goes on from an instance that it has not seen change yet.
    """
    deployment.configure(phase)
    with late(deployment):
        chain = follow(deployment, "up", phase, ())
    assert chain.wrong == []
    # And it has written old settings into the state.
    assert deployment.note(deployment.workspace.refresh("--skip-preview")).ok
    assert end() == []


def test_an_answer_is_as_old_as_the_fault_makes_it(deployment: Deployment) -> None:
    rds = deployment.client("rds")
    with late(deployment):
        rds.modify_db_instance(DBInstanceIdentifier="orders", BackupRetentionPeriod=6, ApplyImmediately=True)
        assert deployment.instance("orders")["BackupRetentionPeriod"] == 7
        rds.create_db_instance_read_replica(DBInstanceIdentifier="new", SourceDBInstanceIdentifier="orders")
        with pytest.raises(rds.exceptions.DBInstanceNotFoundFault):
            deployment.instance("new")
    assert deployment.instance("new")["DBInstanceStatus"] in {
        "creating",
        "backing-up",
        "modifying",
        "available",
    }
    until(lambda: deployment.instance("orders")["BackupRetentionPeriod"] == 6)
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier="new", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    rds.delete_db_instance(DBInstanceIdentifier="new", SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(
        DBInstanceIdentifier="new", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def test_replicate(deployment: Deployment, before: dict[str, Any]) -> None:
    reaches(deployment, "replicate", lambda: judge.replicating(deployment))


def test_destroy(deployment: Deployment, before: dict[str, Any]) -> None:
    with late(deployment):
        deployment.destroy()
    assert judge.as_it_was(deployment, before) == []


def test_there_and_back_and_there_again(deployment: Deployment, before: dict[str, Any]) -> None:
    source = deployment.instance("orders")
    reaches(deployment, "replicate", lambda: judge.replicating(deployment))
    reaches(deployment, "cutover", lambda: judge.cut_over(deployment))
    reaches(deployment, "rollback", lambda: judge.rolled_back(deployment, source))
    reaches(deployment, "cutover", lambda: judge.cut_over(deployment))


def test_cleanup(deployment: Deployment, before: dict[str, Any]) -> None:
    source = before["instances"]["orders"]
    reaches(deployment, "cleanup", lambda: judge.cleaned_up(deployment, source))
