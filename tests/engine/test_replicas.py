"""Replicas of the source come along: each gets an encrypted counterpart, which takes over its name after the source's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.sandbox.seed import await_available
from dev.workload.database import rows, value
from tests.engine.account import look
from tests.engine.checks import unfolded, wait_until
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


def write(road: Road, note: str) -> None:
    with road.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = %s WHERE id <= 10", note)


def require_read(road: Road, identifier: str, note: str) -> None:
    """Require that a reader of this name sees a write soon."""

    def seen() -> bool:
        with road.connected(identifier, application=True) as connection:
            return int(value(connection, "SELECT COUNT(*) FROM orders WHERE note = %s", note)) == 10

    wait_until(seen, seconds=60.0)


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


# A replica of a replica.

ABOVE = "orders-c1"
BELOW = "orders-c2"


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("cascade")) as road:
        rds = road.client("rds")
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=ABOVE, SourceDBInstanceIdentifier="orders", DBInstanceClass="db.t3.small"
        )
        await_available(rds, ABOVE)
        with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault, match="Automated backups"):
            rds.create_db_instance_read_replica(DBInstanceIdentifier=BELOW, SourceDBInstanceIdentifier=ABOVE)
        rds.modify_db_instance(DBInstanceIdentifier=ABOVE, BackupRetentionPeriod=3, ApplyImmediately=True)
        wait_until(lambda: road.instance(ABOVE)["BackupRetentionPeriod"] == 3, seconds=120.0)
        await_available(rds, ABOVE)
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=BELOW,
            SourceDBInstanceIdentifier=ABOVE,
            DBInstanceClass="db.t3.medium",
            Tags=[{"Key": "readers", "Value": "exports"}],
        )
        await_available(rds, BELOW)
        yield road


@pytest.fixture(scope="module")
def cascade_before(cascade: Road) -> dict[str, Any]:
    return look(cascade)


def chain(road: Road, name: str) -> list[str]:
    """Return the names of the instances that a replica gets its data through."""
    source = road.instance(name).get("ReadReplicaSourceDBInstanceIdentifier")
    return [source, *chain(road, source)] if source else []


def test_the_preview_says_that_the_replica_of_a_replica_comes_along(
    cascade: Road, cascade_before: dict[str, Any]
) -> None:
    assert chain(cascade, BELOW) == [ABOVE, "orders"]
    assert {ABOVE, BELOW} < cascade_before["instances"].keys()
    cascade.configure("replicate")
    plan = cascade.note(cascade.workspace.preview())
    assert plan.ok, plan.output
    said = unfolded(plan.output)
    assert f"create encrypted replicas of it: {ABOVE}-encrypted" in said
    assert f"create replicas of those: {BELOW}-encrypted" in said
    assert f"its replicas come along: {ABOVE}, {BELOW} (a replica of {ABOVE})" in said


def test_the_replica_of_a_replica_gets_a_counterpart_that_follows_the_one_above(cascade: Road) -> None:
    cascade.up("replicate")
    assert chain(cascade, f"{BELOW}-encrypted") == [f"{ABOVE}-encrypted", "orders-encrypted"]
    counterpart = cascade.instance(f"{BELOW}-encrypted")
    assert counterpart["StorageEncrypted"]
    assert counterpart["DBInstanceClass"] == "db.t3.medium"
    assert cascade.instance(f"{ABOVE}-encrypted")["BackupRetentionPeriod"] == 3
    assert cascade.tags(f"{BELOW}-encrypted")["readers"] == "exports"
    write(cascade, "two levels")
    require_read(cascade, f"{BELOW}-encrypted", "two levels")


def test_without_the_counterpart_above_the_deeper_one_is_made_again_too(cascade: Road) -> None:
    rds = cascade.client("rds")
    rds.delete_db_instance(DBInstanceIdentifier=f"{ABOVE}-encrypted", SkipFinalSnapshot=True)
    wait_until(lambda: f"{ABOVE}-encrypted" not in cascade.names(), seconds=120.0)
    wait_until(lambda: not chain(cascade, f"{BELOW}-encrypted"), seconds=120.0)
    cascade.configure("replicate")
    refused = cascade.note(cascade.workspace.preview())
    assert not refused.ok
    assert "it is no longer a replica, so its data does not change" in unfolded(refused.output)

    await_available(rds, f"{BELOW}-encrypted")
    rds.delete_db_instance(DBInstanceIdentifier=f"{BELOW}-encrypted", SkipFinalSnapshot=True)
    wait_until(lambda: f"{BELOW}-encrypted" not in cascade.names(), seconds=120.0)
    cascade.note(cascade.workspace.refresh("--skip-preview"))
    cascade.up("replicate")
    assert chain(cascade, f"{BELOW}-encrypted") == [f"{ABOVE}-encrypted", "orders-encrypted"]


def test_the_readers_of_both_can_move_first(cascade: Road) -> None:
    cascade.up("replicate", replicas={"readsFirst": True})
    assert chain(cascade, BELOW) == [ABOVE, "orders-encrypted"]
    write(cascade, "read first")
    require_read(cascade, BELOW, "read first")
    cascade.require_rest()


def test_destroy_gives_the_readers_of_both_back_and_deletes_the_deeper_one_first(
    cascade: Road, cascade_before: dict[str, Any]
) -> None:
    cascade.destroy()
    after = look(cascade)
    for part, was in cascade_before.items():
        assert after[part] == was, part
    write(cascade, "as found")
    require_read(cascade, BELOW, "as found")


def test_a_counterpart_of_the_cascade_that_a_killed_run_left_without_backups_is_told(cascade: Road) -> None:
    above, rds = f"{ABOVE}-encrypted", cascade.client("rds")
    cascade.killed_up("replicate", f"Instance {above} creating", lambda: above in cascade.names())
    await_available(rds, above)
    assert cascade.instance(above)["BackupRetentionPeriod"] == 0
    refused = cascade.note(cascade.workspace.preview())
    assert not refused.ok
    said = unfolded(refused.output)
    assert f"--db-instance-identifier {above} --backup-retention-period 3 --apply-immediately" in said

    rds.modify_db_instance(DBInstanceIdentifier=above, BackupRetentionPeriod=3, ApplyImmediately=True)
    wait_until(lambda: cascade.instance(above)["BackupRetentionPeriod"] == 3, seconds=120.0)
    await_available(rds, above)
    cascade.up("replicate")
    assert chain(cascade, f"{BELOW}-encrypted") == [above, "orders-encrypted"]


def test_both_names_of_the_cascade_follow_that_of_the_source(cascade: Road) -> None:
    cascade.up("cutover")
    write(cascade, "cut over")
    assert chain(cascade, BELOW) == [ABOVE, "orders"]
    assert cascade.instance(BELOW)["StorageEncrypted"]
    assert chain(cascade, f"{BELOW}-old") == [f"{ABOVE}-old", "orders-old"]
    require_read(cascade, BELOW, "cut over")
    require_read(cascade, f"{BELOW}-old", "cut over")
    assert cascade.outputs()["replicas"].keys() == {ABOVE, BELOW}
    cascade.require_rest()


def test_a_rollback_takes_both_names_of_the_cascade_back(cascade: Road) -> None:
    cascade.up("rollback")
    write(cascade, "rolled back")
    assert not cascade.instance(BELOW)["StorageEncrypted"]
    require_read(cascade, BELOW, "rolled back")
    assert cascade.names() > {f"{ABOVE}-encrypted", f"{BELOW}-encrypted"}


def test_cleanup_deletes_the_old_replica_of_a_replica_before_the_one_that_it_follows(cascade: Road) -> None:
    cascade.up("cutover")
    cascade.up("cleanup")
    assert cascade.names() == {"orders", "orders-old", ABOVE, BELOW}
    assert cascade.instance("orders-old")["DBInstanceStatus"] in {"stopping", "stopped"}
    write(cascade, "cleaned up")
    require_read(cascade, BELOW, "cleaned up")
    cascade.require_rest()


def test_destroy_keeps_the_cascade_of_production_and_no_tag_of_ours(cascade: Road) -> None:
    cascade.destroy()
    assert chain(cascade, BELOW) == [ABOVE, "orders"]
    for name in cascade.names():
        assert not [key for key in cascade.tags(name) if key.startswith("rds-encrypt:")]
