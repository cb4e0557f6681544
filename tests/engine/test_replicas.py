"""Replicas of the source come along: each gets an encrypted counterpart, which takes over its name after the source's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.sandbox.seed import await_available
from tests.engine.checks import unfolded
from tests.engine.deployment import Deployment, driving
from tests.engine.readers import require_read, write
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READER = "orders-r1"
STAYING = "orders-r2"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("replicas")) as deployment:
        deployment.always = {"replicas": {"overrides": {STAYING: "leave"}}}
        rds = deployment.client("rds")
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=READER,
            SourceDBInstanceIdentifier="orders",
            DBInstanceClass="db.t3.small",
            Tags=[{"Key": "readers", "Value": "reports"}],
        )
        rds.create_db_instance_read_replica(DBInstanceIdentifier=STAYING, SourceDBInstanceIdentifier="orders")
        for name in (READER, STAYING):
            await_available(rds, name)
        yield deployment


def test_the_preview_says_which_come_along(deployment: Deployment) -> None:
    deployment.configure("replicate")
    plan = deployment.note(deployment.workspace.preview())
    assert plan.ok, plan.output
    output = unfolded(plan.output)
    assert "create encrypted replicas of it: orders-r1-encrypted" in output
    assert "its replicas come along: orders-r1" in output
    assert "it has replicas that do not come along: orders-r2" in output


def test_a_replica_gets_an_encrypted_counterpart(deployment: Deployment) -> None:
    deployment.up("replicate")
    write(deployment, "replicated")
    counterpart = deployment.instance(f"{READER}-encrypted")
    assert counterpart["StorageEncrypted"]
    assert counterpart["ReadReplicaSourceDBInstanceIdentifier"] == "orders-encrypted"
    assert counterpart["DBInstanceClass"] == "db.t3.small"
    assert deployment.tags(f"{READER}-encrypted")["readers"] == "reports"
    require_read(deployment, f"{READER}-encrypted", "replicated")


def test_readers_can_move_first_and_back(deployment: Deployment) -> None:
    original = deployment.instance(READER)["DbiResourceId"]
    first = {"replicas": {**deployment.always["replicas"], "readsFirst": True}}
    deployment.up("replicate", **first)
    write(deployment, "read first")
    assert deployment.instance(READER)["StorageEncrypted"]
    require_read(deployment, READER, "read first")
    assert deployment.outputs()["replicas"][READER]["serves"] == deployment.instance(READER)["DbiResourceId"]
    assert not deployment.instance("orders")["StorageEncrypted"]

    deployment.up("replicate")
    assert deployment.instance(READER)["DbiResourceId"] == original
    assert f"{READER}-encrypted" in deployment.names()


def test_a_counterpart_that_was_deleted_by_hand_is_made_again(deployment: Deployment) -> None:
    former = deployment.instance(f"{READER}-encrypted")["DbiResourceId"]
    deployment.client("rds").delete_db_instance(
        DBInstanceIdentifier=f"{READER}-encrypted", SkipFinalSnapshot=True
    )
    until(lambda: f"{READER}-encrypted" not in deployment.names())
    deployment.note(deployment.workspace.refresh("--skip-preview"))
    deployment.up("replicate")
    write(deployment, "made again")
    assert deployment.instance(f"{READER}-encrypted")["DbiResourceId"] != former
    require_read(deployment, f"{READER}-encrypted", "made again")


def test_the_name_of_the_replica_follows_that_of_the_source(deployment: Deployment) -> None:
    counterpart = deployment.instance(f"{READER}-encrypted")["DbiResourceId"]
    deployment.up("cutover")
    write(deployment, "cut over")
    assert deployment.instance(READER)["DbiResourceId"] == counterpart
    require_read(deployment, READER, "cut over")
    require_read(deployment, f"{READER}-old", "cut over")
    deployment.require_rest()


def test_a_rollback_takes_it_back(deployment: Deployment) -> None:
    deployment.up("rollback")
    write(deployment, "rolled back")
    assert not deployment.instance(READER)["StorageEncrypted"]
    require_read(deployment, READER, "rolled back")
    assert f"{READER}-encrypted" in deployment.names()


def test_cleanup_deletes_the_old_replica_and_stops_the_old_instance(deployment: Deployment) -> None:
    deployment.up("cutover")
    # What its owner left stays until its owner deletes it, and until then RDS does not stop the old instance.
    deployment.client("rds").delete_db_instance(DBInstanceIdentifier=STAYING, SkipFinalSnapshot=True)
    until(lambda: STAYING not in deployment.names())
    deployment.up("cleanup")
    assert deployment.names() == {"orders", "orders-old", READER}
    assert deployment.instance("orders-old")["DBInstanceStatus"] in {"stopping", "stopped"}
    write(deployment, "cleaned up")
    require_read(deployment, READER, "cleaned up")
    deployment.require_rest()


def test_destroy_leaves_what_carries_production_and_no_tag_of_ours(deployment: Deployment) -> None:
    deployment.destroy()
    assert deployment.names() == {"orders", "orders-old", READER}
    for name in deployment.names():
        assert not [key for key in deployment.tags(name) if key.startswith("rds-encrypt:")]
