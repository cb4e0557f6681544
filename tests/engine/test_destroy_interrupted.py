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
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("given-up")) as deployment:
        deployment.up("replicate")
        yield deployment


def listed(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return all instances by DbiResourceId: in the middle of a rename AWS may not find one by its name, but lists it."""
    instances = deployment.client("rds").describe_db_instances()["DBInstances"]
    return {instance["DbiResourceId"]: instance for instance in instances}


def journal_of(deployment: Deployment) -> dict[str, set[str]]:
    """Return which of our tags each instance has."""
    return {
        resource_id: {tag["Key"] for tag in instance["TagList"] if tag["Key"] in KEYS}
        for resource_id, instance in listed(deployment).items()
    }


def urn_of(deployment: Deployment, step: str) -> str:
    return next(
        str(resource["urn"])
        for resource in deployment.workspace.resources()
        if f"dynamic/rds:{step}::" in resource["urn"]
    )


def require_refused(deployment: Deployment, phase: str, *options: str) -> None:
    """Require that a destroy says what to do instead, and that no instance and no tag is gone."""
    before = journal_of(deployment)

    result = deployment.note(deployment.workspace.destroy("--skip-preview", *options))

    assert not result.ok, result.output
    assert "its name is moving between two instances" in result.output
    assert (
        f"Run `pulumi up` in phase `{phase}`, with the source in `sources`, which completes the move"
        in result.output
    )
    assert journal_of(deployment) == before


def test_nothing_is_given_up_while_a_cut_over_moves_the_names(deployment: Deployment) -> None:
    deployment.killed_up(
        "cutover",
        "Cutover orders creating",
        lambda: (
            "orders-old" in {instance["DBInstanceIdentifier"] for instance in listed(deployment).values()}
        ),
    )

    require_refused(deployment, "cutover")
    # Nor in part: these three would take the journal, the fence or the instance away.
    for step in ("Claim", "DeletionGuard", "ResumedReplication"):
        require_refused(deployment, "cutover", "--target", urn_of(deployment, step), "--target-dependents")


def test_what_was_refused_is_complete_after_one_more_up(deployment: Deployment) -> None:
    deployment.up("cutover")

    assert deployment.instance("orders")["StorageEncrypted"] is True
    require_fenced(deployment, "orders-old")
    deployment.require_rest()


def test_nothing_is_given_up_while_a_rollback_moves_the_names(deployment: Deployment) -> None:
    encrypted = deployment.instance("orders")["DbiResourceId"]
    deployment.killed_up(
        "rollback",
        "Rollback orders creating",
        lambda: listed(deployment)[encrypted]["DBInstanceIdentifier"] == "orders-encrypted",
    )

    require_refused(deployment, "rollback")

    deployment.up("rollback")
    assert deployment.instance("orders")["StorageEncrypted"] is False
    deployment.up("cutover")


def test_destroy_after_a_rollback_killed_behind_its_fence_gives_production_back(
    deployment: Deployment,
) -> None:
    production = snapshot_of_production(deployment)
    deployment.killed_behind_the_fence(
        lambda: Tag.FENCE_BEFORE in deployment.tags("orders"), phase="rollback"
    )

    deployment.destroy()

    require_production_untouched(deployment, production)
    assert deployment.names() == {"orders", "orders-old"}
    assert not any(journal_of(deployment).values())
    assert deployment.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"] == []
