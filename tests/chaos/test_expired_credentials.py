"""Credentials that expire in the middle: of a wait, of the checks, behind the fence, and while the names move."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from dev.workload.database import rows
from rds_encrypt.journal import Tag
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for
from tests.chaos.roads import judge
from tests.chaos.roads.points import Point
from tests.chaos.roads.run import Ending, Run
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]

SAID = "AWS does not accept the credentials"
DO = "Renew them, then run the same command again; it continues where it stopped"


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("expired")) as road:
        yield road


@pytest.fixture(scope="module")
def writer(road: Road) -> Iterator[Writer]:
    writer = Writer(road.address("orders"), road.application, road.seeded.database, connections=2)
    with writer.writing():
        yield writer


def expired_when(road: Road, phase: str, reached: Callable[[], bool]) -> Ending:
    """Run a phase, and let the credentials expire as soon as something is reached."""
    road.configure(phase)
    run = Run(road, "up")
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline, run.output
        time.sleep(0.02)
    expired = "The security token included in the request is expired"
    road.sandbox.faults.refuse("ExpiredToken", expired, count=100_000, status=403)
    ending = run.ending()
    road.workspace.run("cancel", "--yes", "--stack", road.workspace.stack)
    return ending


def tagged(road: Road, identifier: str, tag: str) -> bool:
    """Whether the instance that has, or had, this name carries a tag; in the middle of a rename none is found by its name."""
    found = road.client("rds").describe_db_instances()["DBInstances"]
    return any(
        each["DBInstanceIdentifier"] == identifier and tag in {entry["Key"] for entry in each["TagList"]}
        for each in found
    )


def writes_go_on(writer: Writer) -> None:
    assert writer.wait_for_write(time.monotonic(), 30.0), writer.errors


def test_in_the_middle_of_a_wait(road: Road, writer: Writer) -> None:
    road.configure("replicate")
    ending = Run(road, "up", [Point("DeletionGuard orders", "before", "credentials expire")]).ending()

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    assert DO in ending.said
    road.up("replicate")
    assert judge.replicating(road) == []


def test_before_the_fence(road: Road, writer: Writer) -> None:
    road.configure("cutover")
    ending = Run(road, "up", [Point("Cutover orders", "before", "credentials expire")]).ending()

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    assert not tagged(road, "orders", Tag.FENCE_BEFORE)
    writes_go_on(writer)


def test_behind_the_fence(road: Road, writer: Writer) -> None:
    """Whoever may not ask AWS any more cannot lift the fence either: it is said, and the next run does it first."""
    ending = expired_when(road, "cutover", lambda: tagged(road, "orders", Tag.FENCE_BEFORE))

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    assert "and so did undoing it" in ending.said
    assert "orders refuses writes until you run `pulumi up` again in this phase" in ending.said
    assert not tagged(road, "orders-encrypted", Tag.CUTOVER_BEGAN)
    # A failed check: the fence is lifted, and that is all.
    road.configure("cutover", cutover={"hooks": {"before": ["false"]}})
    assert "hook `before` failed" in road.note(road.workspace.up("--skip-preview")).output
    assert not tagged(road, "orders", Tag.FENCE_BEFORE)
    writes_go_on(writer)


def test_while_the_names_move(road: Road, writer: Writer) -> None:
    ending = expired_when(road, "cutover", lambda: tagged(road, "orders-encrypted", Tag.CUTOVER_BEGAN))

    assert (ending.kind, ending.ours) == ("failed", True)
    assert SAID in ending.said
    road.up("cutover")
    writes_go_on(writer)
    assert judge.cut_over(road) == []


def test_no_acknowledged_write_was_lost(road: Road, writer: Writer) -> None:
    writer.stop()
    with road.connected("orders") as connection:
        there = [row["token"] for row in rows(connection, f"SELECT token FROM {TABLE}")]
    found = account_for(writer.acknowledged, there)

    assert found.acknowledged > 0
    assert (found.lost, found.duplicates) == ((), ())
