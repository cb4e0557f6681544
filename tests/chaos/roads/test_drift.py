"""What somebody did by hand: `pulumi refresh` sees it, and the next `pulumi up` mends it or says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.workload.database import rows
from rds_encrypt.journal import Tag
from tests.engine.checks import MAY_DIFFER, beats, differing, require_fenced, wait_until
from tests.engine.road import Road, driving
from tests.engine.rows import Row, read_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]

STEP = "pulumi-python:dynamic/rds"
_PATIENCE = 30.0


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("drift")) as road:
        road.up("replicate")
        yield road


def refreshed(road: Road) -> set[str]:
    """Refresh, and return what it saw to be gone or other than it was, as ``type name``."""
    result = road.note(road.workspace.refresh("--skip-preview"))
    assert result.ok, result.output
    return {f"{row.type} {row.name}" for row in _seen(result.output)}


def _seen(printed: str) -> list[Row]:
    return [row for row in read_rows(printed) if row.action.startswith(("delete", "update"))]


def mended(road: Road, phase: str = "replicate") -> None:
    """Go to the phase again; two runs, where the first takes something over and the second completes it."""
    road.up(phase)
    road.require_rest()


def follows(road: Road) -> bool:
    with road.connected("orders") as source, road.connected("orders-encrypted") as encrypted:
        last = beats(source)[-1]
        return beats(encrypted, until=last)[-1] >= last


def delete(road: Road, identifier: str) -> None:
    rds = road.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True)
    wait_until(
        lambda: (
            road.instance(identifier)["DBInstanceStatus"] == "available"
            and not road.instance(identifier)["DeletionProtection"]
        ),
        _PATIENCE,
    )
    rds.delete_db_instance(DBInstanceIdentifier=identifier, SkipFinalSnapshot=True)
    wait_until(lambda: identifier not in road.names(), _PATIENCE)


def test_replication_that_was_stopped_and_an_account_that_was_dropped(road: Road) -> None:
    with road.connected("orders-encrypted") as encrypted:
        rows(encrypted, "CALL mysql.rds_stop_replication")
    with road.connected("orders") as source:
        rows(source, "DROP USER rds_encrypt_replication")

    assert {f"{STEP}:ExternalReplication orders", f"{STEP}:ReplicationUser orders"} <= refreshed(road)
    mended(road)
    assert follows(road)


def test_binlog_retention_and_the_claim_that_were_taken_back(road: Road) -> None:
    with road.connected("orders") as source:
        rows(source, "CALL mysql.rds_set_configuration('binlog retention hours', NULL)")
    road.client("rds").remove_tags_from_resource(
        ResourceName=road.instance("orders")["DBInstanceArn"], TagKeys=[Tag.OWNER]
    )

    assert {f"{STEP}:BinlogRetention orders", f"{STEP}:Claim orders"} <= refreshed(road)
    mended(road)
    with road.connected("orders") as source:
        kept = rows(source, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'")
    assert int(kept[0]["value"]) == 72


def test_a_snapshot_that_was_deleted_is_made_anew_only_if_it_is_needed(road: Road) -> None:
    before = road.instance("orders-encrypted")["DbiResourceId"]
    road.client("rds").delete_db_snapshot(DBSnapshotIdentifier="orders-not-encrypted")

    assert "aws:rds:Snapshot orders-not-encrypted" in refreshed(road)
    mended(road)
    assert road.instance("orders-encrypted")["DbiResourceId"] == before
    assert follows(road)


def test_a_replica_that_was_deleted(road: Road) -> None:
    before = road.instance("orders-encrypted")["DbiResourceId"]
    delete(road, "orders-not-encrypted")

    assert "aws:rds:Instance orders-not-encrypted" in refreshed(road)
    mended(road)
    assert road.instance("orders-encrypted")["DbiResourceId"] == before
    assert follows(road)
    require_fenced(road, "orders-encrypted")


def test_the_encrypted_instance_that_was_deleted_after_its_replica_was(road: Road) -> None:
    """The snapshot is the former replica's: what the source wrote between the two would be missing."""
    delete(road, "orders-encrypted")

    seen = refreshed(road)
    assert {"aws:rds:Instance orders-encrypted", f"{STEP}:DeletionGuard orders"} <= seen
    road.configure("replicate")
    result = road.note(road.workspace.up("--skip-preview"))
    assert not result.ok
    assert "its snapshot was taken at" in result.output
    assert "begins with a new snapshot. The source is untouched." in result.output

    road.destroy()
    mended(road)
    assert not differing(road.instance("orders"), road.instance("orders-encrypted"), MAY_DIFFER)
    assert follows(road)
    require_fenced(road, "orders-encrypted")


def test_a_fence_that_was_lifted_after_the_cut_over(road: Road) -> None:
    road.up("cutover")
    road.client("rds").modify_db_parameter_group(
        DBParameterGroupName="orders-fence",
        Parameters=[{"ParameterName": "read_only", "ParameterValue": "0", "ApplyMethod": "immediate"}],
    )

    wait_until(lambda: not fenced(road), _PATIENCE)
    before = road.outputs()

    assert f"{STEP}:Cutover orders" in refreshed(road)
    mended = road.up("cutover")
    assert "its fence was lifted" in mended.output
    assert "compare the two before a rollback" in mended.output
    require_fenced(road, "orders-old")
    assert road.outputs() == before
    road.require_rest()


def fenced(road: Road) -> bool:
    with road.connected("orders-old") as old:
        return bool(rows(old, "SELECT @@GLOBAL.read_only AS on_")[0]["on_"])


def rename(road: Road, identifier: str, wanted: str) -> None:
    road.client("rds").modify_db_instance(
        DBInstanceIdentifier=identifier, NewDBInstanceIdentifier=wanted, ApplyImmediately=True
    )
    # By the list: in the middle of a rename RDS does not find an instance by its name.
    wait_until(lambda: statuses(road).get(wanted) == "available", _PATIENCE)


def statuses(road: Road) -> dict[str, str]:
    found = road.client("rds").describe_db_instances()["DBInstances"]
    return {each["DBInstanceIdentifier"]: each["DBInstanceStatus"] for each in found}


def test_a_rename_that_was_undone_is_not_done_again_by_itself(road: Road) -> None:
    """Somebody gives old another name: nothing here goes by names, so nothing is renamed, replaced or deleted."""
    rename(road, "orders-old", "orders-previous")

    refreshed(road)
    road.configure("cutover")
    plan = [str(row) for row in road.preview() if "Stack" not in row.type]
    assert not [
        row for row in plan if "replace" in row or "delete" in row or row.startswith("aws:rds:Instance")
    ]


def test_production_that_was_renamed_is_seen_and_left_to_whoever_did_it(road: Road) -> None:
    rename(road, "orders", "orders-previous-encrypted")

    assert f"{STEP}:Cutover orders" in refreshed(road)
    road.configure("cutover")
    result = road.note(road.workspace.up("--skip-preview"))
    assert not result.ok
    assert "orders-previous-encrypted: production was renamed after the cutover" in result.output
    assert "orders" not in road.names()

    rename(road, "orders-previous-encrypted", "orders")
    refreshed(road)
    road.up("cutover")
    road.require_rest()
