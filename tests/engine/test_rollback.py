"""There and back again on 8.0: what was written after the cutover stays, and no update goes to a name that has moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.workload.database import rows, value
from tests.engine.checks import differing, require_fenced, require_one_event
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

NOTE = "written after the cutover"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("rollback")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def source(deployment: Deployment) -> dict[str, Any]:
    return deployment.instance("orders")


def test_a_rollback_that_fails_keeps_its_path(deployment: Deployment, source: dict[str, Any]) -> None:
    """With this option the engine would delete the step Cutover after the failure, and corrupt its state."""
    deployment.up("replicate")
    deployment.up("cutover")
    # The state now says that the encrypted instance is called `orders`.
    assert deployment.note(deployment.workspace.refresh("--skip-preview")).ok
    deployment.configure("rollback", cutover={"hooks": {"before": ["false"]}})

    failed = deployment.note(deployment.workspace.up("--skip-preview", "--continue-on-error"))

    assert not failed.ok
    assert "hook `before` failed" in failed.output
    assert "in spite of `--continue-on-error`" in failed.output
    assert "Traceback" not in failed.output
    assert "Cutover" in {resource["type"].rpartition(":")[2] for resource in deployment.workspace.resources()}
    with deployment.connected("orders-old") as connection:
        (status,) = rows(connection, "SHOW REPLICA STATUS")
    assert (status["Replica_IO_Running"], status["Replica_SQL_Running"]) == ("Yes", "Yes")


def test_rollback_gives_the_name_back_with_every_write_made_since(
    deployment: Deployment, source: dict[str, Any]
) -> None:
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = %s WHERE id = 1", NOTE)

    deployment.up("rollback")

    assert deployment.names() == {"orders", "orders-not-encrypted", "orders-encrypted"}
    assert deployment.instance("orders")["DbiResourceId"] == source["DbiResourceId"]
    with deployment.connected("orders", application=True) as connection:
        assert value(connection, "SELECT note FROM orders WHERE id = 1") == NOTE
        assert value(connection, "SELECT @@server_uuid") == deployment.outputs()["server_uuid"]
        rows(connection, "UPDATE orders SET note = 'and again' WHERE id = 1")
    require_fenced(deployment, "orders-encrypted")


def test_each_way_has_a_log_of_its_own(deployment: Deployment) -> None:
    there, back = (deployment.files.read_json(name) for name in ("cutover.json", "rollback.json"))

    assert there is not None
    assert back is not None
    assert (there["outcome"], back["outcome"]) == ("complete", "complete")
    assert there["moments"]["open"] < back["moments"]["fence_requested"]
    assert deployment.outputs()["timeline"] == back["moments"]
    assert "Rollback of orders: complete" in deployment.printed[-1].output
    # There is nothing to hand over any more, and the report tells both ways.
    assert not list(deployment.files.directory.glob("orders-ownership-transfer*"))
    report = deployment.files.path("report.html").read_text(encoding="utf-8")
    assert 0 < report.index("Cutover: ") < report.index("Rollback: ")
    # The lag was looked at by the catch-up and after the verification, and the drain ends the curve.
    watched = deployment.files.read_json("lag.json")
    assert watched is not None
    assert watched["encrypted"] == deployment.outputs()["encrypted_instance"]
    assert len(watched["looks"]) >= 2
    assert f"{len(watched['looks']) + 1} measurements, during each catch-up" in report


def test_the_event_runs_on_the_source_only_again(deployment: Deployment) -> None:
    require_one_event(deployment, "orders", "orders-encrypted")


def test_back_in_replicate_nothing_is_done_to_the_source(
    deployment: Deployment, source: dict[str, Any]
) -> None:
    """The AWS provider updates by the name in its state, which is the source's again: nobody has refreshed since."""
    deployment.configure("replicate")
    plan = deployment.preview()
    assert [str(row) for row in plan if row.type.startswith("aws:")] == []

    deployment.up("replicate")

    moving = {"LatestRestorableTime", "ReadReplicaDBInstanceIdentifiers", "PendingModifiedValues"}
    assert not differing(source, deployment.instance("orders"), moving)
    role = [
        tag["Value"] for tag in deployment.instance("orders")["TagList"] if tag["Key"] == "rds-encrypt:role"
    ]
    assert role == ["source"]
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'still writable' WHERE id = 1")


def test_back_in_replicate_nothing_is_left_to_do(deployment: Deployment) -> None:
    deployment.require_rest()
