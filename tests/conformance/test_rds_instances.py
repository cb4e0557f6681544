"""Facts about DB instances: statuses, names, storage, events. Each test names the source that its fact is known from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from tests.conformance.account import Account, refusal_of, until

BUSY = ("InvalidDBInstanceState", "Database instance is not in available state.")
REBOOT_LATER = (
    "InvalidDBInstanceState",
    "Instance cannot currently reboot due to an in-progress management operation.",
)


@pytest.fixture(scope="module")
def facts(account: Account) -> Iterator[dict[str, Any]]:
    """An instance with backups, and a snapshot of it, both called `facts`."""
    made = account.available(account.begin("facts"))
    account.rds.create_db_snapshot(DBInstanceIdentifier="facts", DBSnapshotIdentifier="facts")
    account.rds.get_waiter("db_snapshot_available").wait(
        DBSnapshotIdentifier="facts", WaiterConfig={"Delay": 1}
    )
    yield account.available(made["DbiResourceId"])
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="facts")
    account.delete(account.see(made["DbiResourceId"])["DBInstanceIdentifier"])


def test_the_first_backup_comes_before_the_first_available(account: Account, facts: dict[str, Any]) -> None:
    """terraform-provider-aws #44104 (2025-09): a restore stays in `backing-up` for hours, and is `available` only then.

    The other states on the way are those that terraform-provider-aws waits through (#3708, #6597): what the settings imply.
    Then changes and reboots are refused for a while though the status is `available` (#11905, #27325). Nothing says that the
    storage of a restored instance is ready, but StorageOperationStatus (botocore's model).
    """
    for what, seconds in (("configure", 1.5), ("backup", 1.5), ("settle", 4.0), ("hydrate", 20)):
        account.provoke.duration(what, seconds)
    restored = account.restore(
        "facts-restored",
        "facts",
        BackupRetentionPeriod=1,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["error"],
    )
    seen = account.await_status(restored, "available")
    assert seen == [
        "creating",
        "modifying",
        "configuring-log-exports",
        "configuring-iam-database-auth",
        "backing-up",
        "available",
    ]
    assert refusal_of(lambda: account.modify("facts-restored", CopyTagsToSnapshot=True)) == BUSY
    assert (
        refusal_of(lambda: account.rds.reboot_db_instance(DBInstanceIdentifier="facts-restored"))
        == REBOOT_LATER
    )
    description = account.see(restored)
    assert description["DBInstanceStatus"] == "available"
    assert description["StorageOperationStatus"] == "Initializing"
    # RDS-EVENT-0043
    assert any(message.startswith("Restored from snapshot") for message in account.messages("facts-restored"))
    time.sleep(4.0)
    account.modify("facts-restored", CopyTagsToSnapshot=True)
    account.delete("facts-restored")


def test_storage_initialization_is_a_status_in_which_an_instance_works(
    account: Account, facts: dict[str, Any]
) -> None:
    """hashicorp/terraform #36650 (2025-03) met the status; "Viewing DB instance status" says that the instance works."""
    account.provoke.duration("initialize", 60)
    restored = account.restore("facts-lazy", "facts")
    account.await_status(restored, "storage-initialization")
    account.modify("facts-lazy", DeletionProtection=True)
    account.await_status(restored, "storage-initialization")
    with account.sql(account.see(restored)["Endpoint"]["Address"]) as session:
        assert session.execute("SELECT 1") == 1
    account.modify("facts-lazy", DeletionProtection=False)
    account.delete("facts-lazy")


def test_a_restored_instance_counts_as_a_replica_for_a_while(account: Account, facts: dict[str, Any]) -> None:
    """Dump of the mysql schema of an RDS 8.0.41: the refusal depends on a row of rds_history, which a copy of a replica brings along.

    Two migrations by hand, of 5.7.19 in 2018 and of 8.0 in 2024, attached such an instance: RDS takes the mark off. How soon is
    not known.
    """
    source = facts["DBInstanceIdentifier"]
    replica = account.replica("facts-copied", source)
    account.available(replica)
    account.rds.create_db_snapshot(DBInstanceIdentifier="facts-copied", DBSnapshotIdentifier="facts-copied")
    account.rds.get_waiter("db_snapshot_available").wait(
        DBSnapshotIdentifier="facts-copied", WaiterConfig={"Delay": 1}
    )
    account.delete("facts-copied")
    account.provoke.duration("unmark", 2)
    restored = account.available(account.restore("facts-marked", "facts-copied"))

    def attach() -> str:
        arguments = "'127.0.0.9', 3306, 'nobody', 'a-Password1', 'mysql-bin.000001', 4, 0"
        try:
            with account.sql(restored["Endpoint"]["Address"]) as session:
                session.execute(f"CALL mysql.rds_set_external_master ({arguments})")
        except pymysql.err.MySQLError as error:
            return str(error)
        return ""

    assert "RDS Read Replica" in attach()
    until(attach, lambda refused: not refused)
    account.delete("facts-marked")
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="facts-copied")


def test_a_rename_takes_the_old_address_away_at_once(account: Account, facts: dict[str, Any]) -> None:
    """ "Renaming a DB instance" in the guide: the old DNS name goes at once. Just after the call the status is still `available`.

    The latter, the states and the refusal of changes meanwhile: reports of real accounts. "Amazon RDS event categories and event
    messages" lists no event for a rename of an instance.
    """
    for what in ("notice", "away", "reboot"):
        account.provoke.duration(what, 2.0)  # long enough for a poll on a busy machine
    resource_id = facts["DbiResourceId"]
    renamed = account.modify("facts", NewDBInstanceIdentifier="facts-renamed")
    assert renamed["PendingModifiedValues"]["DBInstanceIdentifier"] == "facts-renamed"
    assert account.status(resource_id) == "available"
    assert refusal_of(lambda: account.modify("facts", CopyTagsToSnapshot=True)) == BUSY
    assert account.await_status(resource_id, "renaming")[0] == "available"
    with pytest.raises(pymysql.err.OperationalError), account.sql(facts["Endpoint"]["Address"]):
        pass
    assert account.await_status(resource_id, "available") == ["renaming", "rebooting", "available"]
    assert refusal_of(lambda: account.rds.describe_db_instances(DBInstanceIdentifier="facts"))[0] in (
        "DBInstanceNotFound",
        "DBInstanceNotFoundFault",
    )
    now = account.see(resource_id)
    assert (now["DBInstanceIdentifier"], now["DbiResourceId"]) == ("facts-renamed", resource_id)
    assert now["DBInstanceArn"].endswith(":db:facts-renamed")
    told = [*account.messages("facts"), *account.messages("facts-renamed")]
    assert not [message for message in told if "enam" in message]


def test_a_rename_to_the_present_name_reboots(account: Account, facts: dict[str, Any]) -> None:
    """Reports of real accounts: the present name as NewDBInstanceIdentifier goes through `renaming` and `rebooting`."""
    resource_id = facts["DbiResourceId"]
    account.provoke.duration("away", 2.0)
    before = account.available(resource_id)
    with account.sql(before["Endpoint"]["Address"]) as session:
        account.modify(before["DBInstanceIdentifier"], NewDBInstanceIdentifier=before["DBInstanceIdentifier"])
        account.await_status(resource_id, "renaming")
        account.await_status(resource_id, "available")
        with pytest.raises(pymysql.err.MySQLError):
            session.execute("SELECT 1")
    assert account.see(resource_id)["DBInstanceIdentifier"] == before["DBInstanceIdentifier"]


def test_storage_only_grows_and_not_again_soon(account: Account, facts: dict[str, Any]) -> None:
    """botocore's text of AllocatedStorage (ten percent at least), and the guide: no changes of storage during its optimization.

    The instance works meanwhile ("Viewing DB instance status"); terraform-provider-aws #2408 met the status, its source the refusal.
    """
    account.provoke.duration("optimize", 3.0)
    account.provoke.duration("regrow", 8.0)
    resource_id = facts["DbiResourceId"]
    name = account.available(resource_id)["DBInstanceIdentifier"]
    code, message = refusal_of(lambda: account.modify(name, AllocatedStorage=19))
    assert code == "InvalidParameterCombination"
    account.modify(name, AllocatedStorage=21)
    account.await_status(resource_id, "storage-optimization")
    now = account.see(resource_id)
    assert (now["AllocatedStorage"], now["StorageOperationStatus"]) == (22, "Optimizing")
    account.modify(name, CopyTagsToSnapshot=True)
    account.await_status(resource_id, "available")
    code, message = refusal_of(lambda: account.modify(name, AllocatedStorage=30))
    assert code == "InvalidParameterCombination"
    assert "previous storage change is being optimized" in message
    assert "Finished applying modification to allocated storage" in account.messages(name)  # RDS-EVENT-0017
    account.provoke.grow(resource_id, 40)
    assert account.see(resource_id)["AllocatedStorage"] == 40
    assert account.status(resource_id) == "storage-optimization"


def test_rds_reboots_a_replica_by_itself(account: Account, facts: dict[str, Any]) -> None:
    """RDS-EVENT-0396 in "Amazon RDS event categories and event messages": after it has rotated its internal passwords."""
    source = account.available(facts["DbiResourceId"])["DBInstanceIdentifier"]
    replica = account.replica("facts-replica", source)
    address = account.available(replica)["Endpoint"]["Address"]
    assert refusal_of(lambda: account.rds.stop_db_instance(DBInstanceIdentifier="facts-replica")) == (
        "InvalidDBInstanceState",
        "Cannot stop or start a Read-Replica instance",
    )
    account.provoke.duration("reboot", 2)  # long enough for a poll on a busy machine
    account.provoke.reboot_by_rds(replica)
    assert account.await_status(replica, "available") == ["rebooting", "available"]
    assert any("internal user password rotation" in message for message in account.messages("facts-replica"))
    until(
        lambda: account.see(replica)["StatusInfos"][0]["Status"],
        lambda replicating: replicating == "replicating",
    )
    with account.sql(address) as session:
        assert session.execute("SELECT 1") == 1
    account.delete("facts-replica")


def test_an_instance_that_is_stopped_or_full(account: Account, facts: dict[str, Any]) -> None:
    """The guide: a stopped instance can't be modified; one in `storage-full` is to get more storage, which then is optimized."""
    resource_id = facts["DbiResourceId"]
    name = account.available(resource_id)["DBInstanceIdentifier"]
    time.sleep(1.0)
    account.provoke.set_status(resource_id, "storage-full")
    account.provoke.duration("optimize", 3)
    account.modify(name, AllocatedStorage=60)
    assert "storage-optimization" in account.await_status(resource_id, "available", "storage-optimization")
    account.available(resource_id)
    account.rds.stop_db_instance(DBInstanceIdentifier=name)
    account.await_status(resource_id, "stopped")
    assert refusal_of(lambda: account.modify(name, DeletionProtection=True)) == BUSY
    account.rds.start_db_instance(DBInstanceIdentifier=name)
    account.available(resource_id)
