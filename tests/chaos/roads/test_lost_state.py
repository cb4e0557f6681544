"""A state that is lost together with the run that wrote it: the next stack of the name finds its way by the tags alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rds_encrypt.journal import Tag
from tests.chaos.roads import judge
from tests.chaos.roads.chain import follow
from tests.chaos.roads.points import Point
from tests.chaos.roads.run import Run
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("lost")) as road:
        yield road


def lose(road: Road, phase: str) -> None:
    """Throw the state away, the lock of the dead run with it, and make a stack of the same name."""
    road.workspace.create()
    road.configure(phase)


def killed(road: Road, phase: str, step: str, calls: int) -> None:
    road.configure(phase)
    ending = Run(road, "up", [Point(step, "inside", "kill everything", calls)]).ending()
    assert ending.kind == "killed", ending


def names_of(road: Road) -> dict[str, str]:
    found = road.client("rds").describe_db_instances()["DBInstances"]
    return {each["DbiResourceId"]: each["DBInstanceIdentifier"] for each in found}


def tagged(road: Road, tag: str) -> bool:
    """Whether any instance has a tag, whatever it is called at the moment."""
    found = road.client("rds").describe_db_instances()["DBInstances"]
    return any(tag == entry["Key"] for each in found for entry in each["TagList"])


@pytest.mark.parametrize(
    "step", ["Instance orders-not-encrypted", "SnapshotCopy orders-encrypted", "Instance orders-encrypted"]
)
def test_what_a_killed_run_was_making_is_taken_over_without_its_state(road: Road, step: str) -> None:
    killed(road, "replicate", step, calls=2)
    source = road.instance("orders")["DbiResourceId"]
    made = names_of(road)
    lose(road, "replicate")

    chain = follow(road, "up", "replicate", ())

    assert chain.wrong == []
    assert judge.replicating(road) == []
    # Nothing was made a second time: what was there is still there, under the same identity.
    assert made.items() <= names_of(road).items()
    road.destroy()
    assert names_of(road) == {source: "orders"}


def test_a_cut_over_killed_while_the_names_move_is_completed_without_its_state(road: Road) -> None:
    road.up("replicate")
    encrypted = road.instance("orders-encrypted")["DbiResourceId"]
    road.killed_up("cutover", "Cutover orders creating", lambda: tagged(road, Tag.CUTOVER_BEGAN))
    lose(road, "cutover")

    chain = follow(road, "up", "cutover", ())

    assert chain.wrong == []
    assert names_of(road)[encrypted] == "orders"
    assert judge.cut_over(road) == []


def test_and_so_is_a_rollback(road: Road) -> None:
    source = road.instance("orders-old")
    road.killed_up("rollback", "Rollback orders creating", lambda: tagged(road, Tag.ROLLBACK_BEGAN))
    lose(road, "rollback")

    chain = follow(road, "up", "rollback", ())

    assert chain.wrong == []
    assert judge.rolled_back(road, source) == []
