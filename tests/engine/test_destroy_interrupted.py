"""`pulumi destroy` after a cutover or a rollback was killed: refused while names move, else everything but production goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rds_encrypt.journal import KEYS, Tag
from tests.engine.checks import (
    require_fenced,
    require_production_untouched,
    snapshot_of_production,
)
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("given-up")) as road:
        road.up("replicate")
        yield road


def listed(road: Road) -> dict[str, dict[str, Any]]:
    """Return all instances by DbiResourceId: in the middle of a rename AWS may not find one by its name, but lists it."""
    found = road.client("rds").describe_db_instances()["DBInstances"]
    return {instance["DbiResourceId"]: instance for instance in found}


def journal_of(road: Road) -> dict[str, set[str]]:
    """Return which of our tags each instance has."""
    return {
        resource_id: {tag["Key"] for tag in instance["TagList"] if tag["Key"] in KEYS}
        for resource_id, instance in listed(road).items()
    }


def urn_of(road: Road, step: str) -> str:
    return next(
        str(found["urn"]) for found in road.workspace.resources() if f"dynamic/rds:{step}::" in found["urn"]
    )


def require_refused(road: Road, phase: str, *options: str) -> None:
    """Require that a destroy says what to do instead, and that no instance and no tag is gone."""
    before = journal_of(road)

    result = road.note(road.workspace.destroy("--skip-preview", *options))

    assert not result.ok, result.output
    assert "its name is moving between two instances" in result.output
    assert f"Run `pulumi up` in phase `{phase}`, which completes the move" in result.output
    assert journal_of(road) == before


def test_nothing_is_given_up_while_a_cut_over_moves_the_names(road: Road) -> None:
    road.killed_up(
        "cutover",
        "Cutover orders creating",
        lambda: "orders-old" in {each["DBInstanceIdentifier"] for each in listed(road).values()},
    )

    require_refused(road, "cutover")
    # Nor in part: these three would take the journal, the fence or the instance away.
    for step in ("Claim", "DeletionGuard", "ResumedReplication"):
        require_refused(road, "cutover", "--target", urn_of(road, step), "--target-dependents")


def test_what_was_refused_is_complete_after_one_more_up(road: Road) -> None:
    road.up("cutover")

    assert road.instance("orders")["StorageEncrypted"] is True
    require_fenced(road, "orders-old")
    road.require_rest()


def test_nothing_is_given_up_while_a_rollback_moves_the_names(road: Road) -> None:
    encrypted = road.instance("orders")["DbiResourceId"]
    road.killed_up(
        "rollback",
        "Rollback orders creating",
        lambda: listed(road)[encrypted]["DBInstanceIdentifier"] == "orders-encrypted",
    )

    require_refused(road, "rollback")

    road.up("rollback")
    assert road.instance("orders")["StorageEncrypted"] is False
    road.up("cutover")


def test_destroy_after_a_rollback_killed_behind_its_fence_gives_production_back(road: Road) -> None:
    production = snapshot_of_production(road)
    road.killed_behind_the_fence(lambda: Tag.FENCE_BEFORE in road.tags("orders"), phase="rollback")

    road.destroy()

    require_production_untouched(road, production)
    assert road.names() == {"orders", "orders-old"}
    assert not any(journal_of(road).values())
    assert road.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"] == []
