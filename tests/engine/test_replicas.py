"""Replicas of the source come along: each gets an encrypted counterpart, which takes over its name after the source's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.sandbox.seed import await_available
from tests.engine.checks import unfolded, wait_until
from tests.engine.readers import require_read, write
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READER = "orders-r1"
STAYING = "orders-r2"


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("replicas")) as road:
        road.always = {"replicas": {"overrides": {STAYING: "leave"}}}
        rds = road.client("rds")
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=READER,
            SourceDBInstanceIdentifier="orders",
            DBInstanceClass="db.t3.small",
            Tags=[{"Key": "readers", "Value": "reports"}],
        )
        rds.create_db_instance_read_replica(DBInstanceIdentifier=STAYING, SourceDBInstanceIdentifier="orders")
        for name in (READER, STAYING):
            await_available(rds, name)
        yield road


def test_the_preview_says_which_come_along(road: Road) -> None:
    road.configure("replicate")
    plan = road.note(road.workspace.preview())
    assert plan.ok, plan.output
    said = unfolded(plan.output)
    assert "create encrypted replicas of it: orders-r1-encrypted" in said
    assert "its replicas come along: orders-r1" in said
    assert "it has replicas that do not come along: orders-r2" in said


def test_a_replica_gets_an_encrypted_counterpart(road: Road) -> None:
    road.up("replicate")
    write(road, "replicated")
    counterpart = road.instance(f"{READER}-encrypted")
    assert counterpart["StorageEncrypted"]
    assert counterpart["ReadReplicaSourceDBInstanceIdentifier"] == "orders-encrypted"
    assert counterpart["DBInstanceClass"] == "db.t3.small"
    assert road.tags(f"{READER}-encrypted")["readers"] == "reports"
    require_read(road, f"{READER}-encrypted", "replicated")


def test_readers_can_move_first_and_back(road: Road) -> None:
    original = road.instance(READER)["DbiResourceId"]
    first = {"replicas": {**road.always["replicas"], "readsFirst": True}}
    road.up("replicate", **first)
    write(road, "read first")
    assert road.instance(READER)["StorageEncrypted"]
    require_read(road, READER, "read first")
    assert road.outputs()["replicas"][READER]["serves"] == road.instance(READER)["DbiResourceId"]
    assert not road.instance("orders")["StorageEncrypted"]

    road.up("replicate")
    assert road.instance(READER)["DbiResourceId"] == original
    assert f"{READER}-encrypted" in road.names()


def test_a_counterpart_that_was_deleted_by_hand_is_made_again(road: Road) -> None:
    former = road.instance(f"{READER}-encrypted")["DbiResourceId"]
    road.client("rds").delete_db_instance(DBInstanceIdentifier=f"{READER}-encrypted", SkipFinalSnapshot=True)
    wait_until(lambda: f"{READER}-encrypted" not in road.names(), seconds=60.0)
    road.note(road.workspace.refresh("--skip-preview"))
    road.up("replicate")
    write(road, "made again")
    assert road.instance(f"{READER}-encrypted")["DbiResourceId"] != former
    require_read(road, f"{READER}-encrypted", "made again")


def test_the_name_of_the_replica_follows_that_of_the_source(road: Road) -> None:
    counterpart = road.instance(f"{READER}-encrypted")["DbiResourceId"]
    road.up("cutover")
    write(road, "cut over")
    assert road.instance(READER)["DbiResourceId"] == counterpart
    require_read(road, READER, "cut over")
    require_read(road, f"{READER}-old", "cut over")
    road.require_rest()


def test_a_rollback_takes_it_back(road: Road) -> None:
    road.up("rollback")
    write(road, "rolled back")
    assert not road.instance(READER)["StorageEncrypted"]
    require_read(road, READER, "rolled back")
    assert f"{READER}-encrypted" in road.names()


def test_cleanup_deletes_the_old_replica_and_stops_the_old_instance(road: Road) -> None:
    road.up("cutover")
    # What its owner left stays until its owner deletes it, and until then RDS does not stop the old instance.
    road.client("rds").delete_db_instance(DBInstanceIdentifier=STAYING, SkipFinalSnapshot=True)
    wait_until(lambda: STAYING not in road.names(), seconds=60.0)
    road.up("cleanup")
    assert road.names() == {"orders", "orders-old", READER}
    assert road.instance("orders-old")["DBInstanceStatus"] in {"stopping", "stopped"}
    write(road, "cleaned up")
    require_read(road, READER, "cleaned up")
    road.require_rest()


def test_destroy_leaves_what_carries_production_and_no_tag_of_ours(road: Road) -> None:
    road.destroy()
    assert road.names() == {"orders", "orders-old", READER}
    for name in road.names():
        assert not [key for key in road.tags(name) if key.startswith("rds-encrypt:")]
