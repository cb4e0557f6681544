"""Credentials that expire in the middle: of a wait, of the checks, behind the fence, and while the names move."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from dev.workload.database import rows
from rds_encrypt.journal import Tag
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for
from tests.chaos.procedure import judge
from tests.chaos.procedure.points import Point
from tests.chaos.procedure.run import Ending, Run
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SAID = "AWS does not accept the credentials"
DO = "Renew them, then run the same command again; it continues where it stopped"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("expired")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def writer(deployment: Deployment) -> Iterator[Writer]:
    writer = Writer(
        deployment.address("orders"), deployment.application, deployment.seeded.database, connections=2
    )
    with writer.writing():
        yield writer


def expired_when(deployment: Deployment, phase: str, reached: Callable[[], bool]) -> Ending:
    """Run a phase, and let the credentials expire as soon as something is reached."""
    deployment.configure(phase)
    run = Run(deployment, "up")
    until(reached, pause=0.02)
    expired = "The security token included in the request is expired"
    deployment.sandbox.faults.refuse("ExpiredToken", expired, count=100_000, status=403)
    ending = run.ending()
    deployment.workspace.run("cancel", "--yes", "--stack", deployment.workspace.stack)
    return ending


def tagged(deployment: Deployment, identifier: str, tag: str) -> bool:
    """Whether the instance that has, or had, this name carries a tag; in the middle of a rename none is found by its name."""
    instances = deployment.client("rds").describe_db_instances()["DBInstances"]
    return any(
        instance["DBInstanceIdentifier"] == identifier
        and tag in {entry["Key"] for entry in instance["TagList"]}
        for instance in instances
    )


def writes_go_on(writer: Writer) -> None:
    assert writer.wait_for_write(time.monotonic(), 30.0), writer.errors


def test_in_the_middle_of_a_wait(deployment: Deployment, writer: Writer) -> None:
    deployment.configure("replicate")
    ending = Run(deployment, "up", [Point("DeletionGuard orders", "before", "credentials expire")]).ending()

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    assert DO in ending.said
    deployment.up("replicate")
    assert judge.replicating(deployment) == []


def test_before_the_fence(deployment: Deployment, writer: Writer) -> None:
    deployment.configure("cutover")
    ending = Run(deployment, "up", [Point("Cutover orders", "before", "credentials expire")]).ending()

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    assert not tagged(deployment, "orders", Tag.FENCE_BEFORE)
    writes_go_on(writer)


def test_behind_the_fence(deployment: Deployment, writer: Writer) -> None:
    """Whoever may not ask AWS any more cannot lift the fence either: it is said, and the next run does it first."""
    ending = expired_when(deployment, "cutover", lambda: tagged(deployment, "orders", Tag.FENCE_BEFORE))

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    assert "and so did undoing it" in ending.said
    assert "orders refuses writes until you run `pulumi up` again in this phase" in ending.said
    assert not tagged(deployment, "orders-encrypted", Tag.CUTOVER_BEGAN)
    # A failed check: the fence is lifted, and that is all.
    deployment.configure("cutover", cutover={"hooks": {"before": ["false"]}})
    assert "hook `before` failed" in deployment.note(deployment.workspace.up("--skip-preview")).output
    assert not tagged(deployment, "orders", Tag.FENCE_BEFORE)
    writes_go_on(writer)


def test_while_the_names_move(deployment: Deployment, writer: Writer) -> None:
    ending = expired_when(
        deployment, "cutover", lambda: tagged(deployment, "orders-encrypted", Tag.CUTOVER_BEGAN)
    )

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    deployment.up("cutover")
    writes_go_on(writer)
    assert judge.cut_over(deployment) == []


def test_no_acknowledged_write_was_lost(deployment: Deployment, writer: Writer) -> None:
    writer.stop()
    with deployment.connected("orders") as connection:
        there = [row["token"] for row in rows(connection, f"SELECT token FROM {TABLE}")]
    accounting = account_for(writer.acknowledged, there)

    assert accounting.acknowledged > 0
    assert (accounting.lost, accounting.duplicates) == ((), ())
