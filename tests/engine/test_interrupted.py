"""A cut-over that is killed twice and run again, and what a destroy does right after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.database import value
from migration import journal
from tests.engine.checks import (
    require_fenced,
    require_one_event,
    require_production_untouched,
    snapshot_of_production,
)
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("interrupted")) as road:
        yield road


@pytest.fixture(scope="module")
def source(road: Road) -> dict[str, Any]:
    return road.instance("orders")


def tags(road: Road, identifier: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in road.instance(identifier)["TagList"]}


def test_cutover_killed_behind_the_fence(road: Road, source: dict[str, Any]) -> None:
    road.up("replicate")

    road.killed_up("cutover", "CutOver orders creating", lambda: journal.FENCE_BEFORE in tags(road, "orders"))

    assert "orders-old" not in road.names()


def test_cutover_killed_after_the_first_rename(road: Road, source: dict[str, Any]) -> None:
    road.killed_up("cutover", "CutOver orders creating", lambda: "orders-old" in road.names())

    # In the middle of a rename AWS may not find an instance by its name, but lists it.
    listed = road.client("rds").describe_db_instances()["DBInstances"]
    names = {instance["DbiResourceId"]: instance["DBInstanceIdentifier"] for instance in listed}
    assert names[source["DbiResourceId"]] == "orders-old"


def test_running_it_again_completes_the_cut_over(road: Road, source: dict[str, Any]) -> None:
    road.up("cutover")

    now = road.instance("orders")
    assert now["StorageEncrypted"] is True
    assert now["DbiResourceId"] == road.outputs()["encrypted_instance"]
    assert road.instance("orders-old")["DbiResourceId"] == source["DbiResourceId"]
    require_fenced(road, "orders-old")
    require_one_event(road, "orders", "orders-old")
    with road.connected("orders", application=True) as connection:
        assert value(connection, "SELECT @@server_uuid") == road.outputs()["server_uuid"]


def test_destroying_the_encrypted_instance_by_its_urn_leaves_production_alone(road: Road) -> None:
    production = snapshot_of_production(road)
    urn = next(
        resource["urn"]
        for resource in road.workspace.resources()
        if resource["urn"].endswith("aws:rds/instance:Instance::orders-encrypted")
    )

    road.destroy("--target", urn, "--target-dependents")

    require_production_untouched(road, production)


def test_destroy_right_after_cutover_leaves_production_alone(road: Road) -> None:
    production = snapshot_of_production(road)

    road.destroy()

    require_production_untouched(road, production)
    assert road.names() == {"orders", "orders-old"}
    for identifier in ("orders", "orders-old"):
        assert not [key for key in tags(road, identifier) if key.startswith("rds-encrypt:")]
