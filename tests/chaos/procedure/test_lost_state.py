"""A state that is lost together with the run that wrote it: the next stack of the name finds its way by the tags alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rds_encrypt.journal import Tag
from tests.chaos.procedure import judge
from tests.chaos.procedure.chain import follow
from tests.chaos.procedure.points import Point
from tests.chaos.procedure.run import Run
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("lost")) as deployment:
        yield deployment


def lose(deployment: Deployment, phase: str) -> None:
    """Throw the state away, the lock of the dead run with it, and make a stack of the same name."""
    deployment.workspace.create()
    deployment.configure(phase)


def killed(deployment: Deployment, phase: str, step: str, calls: int) -> None:
    deployment.configure(phase)
    ending = Run(deployment, "up", [Point(step, "inside", "kill everything", calls)]).ending()
    assert ending.kind == "killed", ending


def names_of(deployment: Deployment) -> dict[str, str]:
    instances = deployment.client("rds").describe_db_instances()["DBInstances"]
    return {instance["DbiResourceId"]: instance["DBInstanceIdentifier"] for instance in instances}


def tagged(deployment: Deployment, tag: str) -> bool:
    """Whether any instance has a tag, whatever it is called at the moment."""
    instances = deployment.client("rds").describe_db_instances()["DBInstances"]
    return any(tag == entry["Key"] for instance in instances for entry in instance["TagList"])


@pytest.mark.parametrize(
    "step", ["Instance orders-not-encrypted", "SnapshotCopy orders-encrypted", "Instance orders-encrypted"]
)
def test_what_a_killed_run_was_making_is_taken_over_without_its_state(
    deployment: Deployment, step: str
) -> None:
    killed(deployment, "replicate", step, calls=2)
    source = deployment.instance("orders")["DbiResourceId"]
    made = names_of(deployment)
    lose(deployment, "replicate")

    chain = follow(deployment, "up", "replicate", ())

    assert chain.wrong == []
    assert judge.replicating(deployment) == []
    # Nothing was made a second time: what was there is still there, under the same identity.
    assert made.items() <= names_of(deployment).items()
    deployment.destroy()
    assert names_of(deployment) == {source: "orders"}


def test_a_cut_over_killed_while_the_names_move_is_completed_without_its_state(
    deployment: Deployment,
) -> None:
    deployment.up("replicate")
    encrypted = deployment.instance("orders-encrypted")["DbiResourceId"]
    deployment.killed_up("cutover", "Cutover orders creating", lambda: tagged(deployment, Tag.CUTOVER_BEGAN))
    lose(deployment, "cutover")

    chain = follow(deployment, "up", "cutover", ())

    assert chain.wrong == []
    assert names_of(deployment)[encrypted] == "orders"
    assert judge.cut_over(deployment) == []


def test_and_so_is_a_rollback(deployment: Deployment) -> None:
    source = deployment.instance("orders-old")
    deployment.killed_up(
        "rollback", "Rollback orders creating", lambda: tagged(deployment, Tag.ROLLBACK_BEGAN)
    )
    lose(deployment, "rollback")

    chain = follow(deployment, "up", "rollback", ())

    assert chain.wrong == []
    assert judge.rolled_back(deployment, source) == []
