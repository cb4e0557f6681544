"""What somebody did by hand: `pulumi refresh` sees it, and the next `pulumi up` mends it or says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.workload.database import rows
from rds_encrypt.journal import Tag
from tests.engine.checks import MAY_DIFFER, beats, differing, require_fenced
from tests.engine.deployment import Deployment, driving
from tests.engine.rows import Row, read_rows
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

STEP = "pulumi-python:dynamic/rds"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("drift")) as deployment:
        deployment.up("replicate")
        yield deployment


def refreshed(deployment: Deployment) -> set[str]:
    """Refresh, and return what it saw to be gone or other than it was, as ``type name``."""
    result = deployment.note(deployment.workspace.refresh("--skip-preview"))
    assert result.ok, result.output
    return {f"{row.type} {row.name}" for row in _drifted(result.output)}


def _drifted(printed: str) -> list[Row]:
    return [row for row in read_rows(printed) if row.action.startswith(("delete", "update"))]


def mended(deployment: Deployment, phase: str = "replicate") -> None:
    """Go to the phase again; two runs, where the first takes something over and the second completes it."""
    deployment.up(phase)
    deployment.require_rest()


def require_following(deployment: Deployment) -> None:
    with deployment.connected("orders") as source, deployment.connected("orders-encrypted") as encrypted:
        last = beats(source)[-1]
        beats(encrypted, at_least=last)


def delete(deployment: Deployment, identifier: str) -> None:
    rds = deployment.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True)
    until(
        lambda: (
            deployment.instance(identifier)["DBInstanceStatus"] == "available"
            and not deployment.instance(identifier)["DeletionProtection"]
        ),
    )
    rds.delete_db_instance(DBInstanceIdentifier=identifier, SkipFinalSnapshot=True)
    until(lambda: identifier not in deployment.names())


def test_replication_that_was_stopped_and_an_account_that_was_dropped(deployment: Deployment) -> None:
    with deployment.connected("orders-encrypted") as encrypted:
        rows(encrypted, "CALL mysql.rds_stop_replication")
    with deployment.connected("orders") as source:
        rows(source, "DROP USER rds_encrypt_replication")

    assert {f"{STEP}:ExternalReplication orders", f"{STEP}:ReplicationUser orders"} <= refreshed(deployment)
    mended(deployment)
    require_following(deployment)


def test_binlog_retention_and_the_claim_that_were_taken_back(deployment: Deployment) -> None:
    with deployment.connected("orders") as source:
        rows(source, "CALL mysql.rds_set_configuration('binlog retention hours', NULL)")
    deployment.client("rds").remove_tags_from_resource(
        ResourceName=deployment.instance("orders")["DBInstanceArn"], TagKeys=[Tag.OWNER]
    )

    assert {f"{STEP}:BinlogRetention orders", f"{STEP}:Claim orders"} <= refreshed(deployment)
    mended(deployment)
    with deployment.connected("orders") as source:
        kept = rows(source, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'")
    assert int(kept[0]["value"]) == 72


def test_a_snapshot_that_was_deleted_is_made_anew_only_if_it_is_needed(deployment: Deployment) -> None:
    before = deployment.instance("orders-encrypted")["DbiResourceId"]
    deployment.client("rds").delete_db_snapshot(DBSnapshotIdentifier="orders-not-encrypted")

    assert "aws:rds:Snapshot orders-not-encrypted" in refreshed(deployment)
    mended(deployment)
    assert deployment.instance("orders-encrypted")["DbiResourceId"] == before
    require_following(deployment)


def test_a_replica_that_was_deleted(deployment: Deployment) -> None:
    before = deployment.instance("orders-encrypted")["DbiResourceId"]
    delete(deployment, "orders-not-encrypted")

    assert "aws:rds:Instance orders-not-encrypted" in refreshed(deployment)
    mended(deployment)
    assert deployment.instance("orders-encrypted")["DbiResourceId"] == before
    require_following(deployment)
    require_fenced(deployment, "orders-encrypted")


def test_the_encrypted_instance_that_was_deleted_after_its_replica_was(deployment: Deployment) -> None:
    """The snapshot is the former replica's: what the source wrote between the two would be missing."""
    delete(deployment, "orders-encrypted")

    changed = refreshed(deployment)
    assert {"aws:rds:Instance orders-encrypted", f"{STEP}:DeletionGuard orders"} <= changed
    deployment.configure("replicate")
    result = deployment.note(deployment.workspace.up("--skip-preview"))
    assert not result.ok
    assert "its snapshot was taken at" in result.output
    assert "begins with a new snapshot. The source is untouched." in result.output

    deployment.destroy()
    mended(deployment)
    assert not differing(deployment.instance("orders"), deployment.instance("orders-encrypted"), MAY_DIFFER)
    require_following(deployment)
    require_fenced(deployment, "orders-encrypted")


def test_a_fence_that_was_lifted_after_the_cut_over(deployment: Deployment) -> None:
    deployment.up("cutover")
    deployment.client("rds").modify_db_parameter_group(
        DBParameterGroupName="orders-fence",
        Parameters=[{"ParameterName": "read_only", "ParameterValue": "0", "ApplyMethod": "immediate"}],
    )

    until(lambda: not fenced(deployment))
    before = deployment.outputs()

    assert f"{STEP}:Cutover orders" in refreshed(deployment)
    mended = deployment.up("cutover")
    assert "its fence was lifted" in mended.output
    assert "compare the two before a rollback" in mended.output
    require_fenced(deployment, "orders-old")
    assert deployment.outputs() == before
    deployment.require_rest()


def fenced(deployment: Deployment) -> bool:
    with deployment.connected("orders-old") as old:
        return bool(rows(old, "SELECT @@GLOBAL.read_only AS on_")[0]["on_"])


def rename(deployment: Deployment, identifier: str, new_name: str) -> None:
    deployment.client("rds").modify_db_instance(
        DBInstanceIdentifier=identifier, NewDBInstanceIdentifier=new_name, ApplyImmediately=True
    )
    # By the list: in the middle of a rename RDS does not find an instance by its name.
    until(lambda: statuses(deployment).get(new_name) == "available")


def statuses(deployment: Deployment) -> dict[str, str]:
    instances = deployment.client("rds").describe_db_instances()["DBInstances"]
    return {instance["DBInstanceIdentifier"]: instance["DBInstanceStatus"] for instance in instances}


def test_a_rename_that_was_undone_is_not_done_again_by_itself(deployment: Deployment) -> None:
    """Somebody gives old another name: nothing here goes by names, so nothing is renamed, replaced or deleted."""
    rename(deployment, "orders-old", "orders-previous")

    refreshed(deployment)
    deployment.configure("cutover")
    plan = [str(row) for row in deployment.preview() if "Stack" not in row.type]
    assert not [
        row for row in plan if "replace" in row or "delete" in row or row.startswith("aws:rds:Instance")
    ]


def test_production_that_was_renamed_is_seen_and_left_to_whoever_did_it(deployment: Deployment) -> None:
    rename(deployment, "orders", "orders-previous-encrypted")

    assert f"{STEP}:Cutover orders" in refreshed(deployment)
    deployment.configure("cutover")
    result = deployment.note(deployment.workspace.up("--skip-preview"))
    assert not result.ok
    assert "orders-previous-encrypted: production was renamed after the cutover" in result.output
    assert "orders" not in deployment.names()

    rename(deployment, "orders-previous-encrypted", "orders")
    refreshed(deployment)
    deployment.up("cutover")
    deployment.require_rest()
