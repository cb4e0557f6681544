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
    made = account.make("facts")
    account.snapshot("facts", "facts")
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
    statuses = account.await_status(restored, "available")
    assert statuses == [
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
    account.provoke.duration("snapshot", 2)  # long enough for a poll on a busy machine
    account.rds.create_db_snapshot(DBInstanceIdentifier="facts-copied", DBSnapshotIdentifier="facts-copied")
    assert account.status(replica) == "backing-up"
    account.await_snapshot("facts-copied")
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
    messages = [*account.messages("facts"), *account.messages("facts-renamed")]
    assert not [message for message in messages if "enam" in message]


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


def apply_status(account: Account, resource_id: str) -> str:
    return str(account.see(resource_id)["DBParameterGroups"][0]["ParameterApplyStatus"])


def await_apply_status(account: Account, resource_id: str, expected: str) -> None:
    until(lambda: apply_status(account, resource_id), lambda status: status == expected)


def test_parameters_and_another_group(account: Account) -> None:
    """ "Working with parameter groups": dynamic ones apply at once, static ones and another group with a reboot, as a rename makes one."""
    rds, group, other = account.rds, account.group("facts-group"), account.group("facts-other")
    made = account.make("facts-parameters", DBParameterGroupName=group, BackupRetentionPeriod=0)
    resource_id = made["DbiResourceId"]
    account.set_parameters(group, long_query_time="3", max_connections="77")
    until(lambda: account.value(resource_id, "@@global.max_connections"), lambda limit: limit == 77)
    await_apply_status(account, resource_id, "in-sync")
    account.set_parameters(group, "pending-reboot", back_log="55")
    await_apply_status(account, resource_id, "pending-reboot")
    assert account.value(resource_id, "@@back_log") != 55
    rds.reboot_db_instance(DBInstanceIdentifier="facts-parameters")
    account.available(resource_id)
    assert (account.value(resource_id, "@@back_log"), apply_status(account, resource_id)) == (55, "in-sync")
    user = rds.describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"]
    assert {parameter["ParameterName"]: parameter["ParameterValue"] for parameter in user} == {
        "back_log": "55",
        "long_query_time": "3",
        "max_connections": "77",
    }
    rds.reset_db_parameter_group(DBParameterGroupName=group, ResetAllParameters=True)
    until(lambda: account.value(resource_id, "@@global.max_connections"), lambda limit: limit != 77)
    assert rds.describe_db_parameters(DBParameterGroupName=group, Source="user")["Parameters"] == []

    account.set_parameters(other, max_connections="88")
    account.modify("facts-parameters", DBParameterGroupName=other)
    await_apply_status(account, resource_id, "pending-reboot")
    account.available(resource_id)
    assert account.value(resource_id, "@@max_connections") != 88
    account.provoke.duration("away", 2)
    account.modify("facts-parameters", NewDBInstanceIdentifier="facts-parameters-2")
    account.await_status(resource_id, "renaming")
    assert account.available(resource_id)["DBParameterGroups"] == [
        {"DBParameterGroupName": other, "ParameterApplyStatus": "in-sync"}
    ]
    assert account.value(resource_id, "@@max_connections") == 88

    account.set_parameters(other, "pending-reboot", lower_case_table_names="1")
    await_apply_status(account, resource_id, "pending-reboot")
    rds.reboot_db_instance(DBInstanceIdentifier="facts-parameters-2")
    account.await_status(resource_id, "incompatible-parameters")
    rds.reset_db_parameter_group(DBParameterGroupName=other, ResetAllParameters=True)
    rds.reboot_db_instance(DBInstanceIdentifier="facts-parameters-2")
    account.available(resource_id)
    account.delete("facts-parameters-2")


def test_pages_of_parameters(account: Account) -> None:
    """botocore's text of MaxRecords and Marker."""
    pages = account.rds.get_paginator("describe_db_parameters").paginate(
        DBParameterGroupName="default.mysql8.0", PaginationConfig={"PageSize": 20}
    )
    names = [[parameter["ParameterName"] for parameter in page["Parameters"]] for page in pages]
    assert {len(page) for page in names[:-1]} == {20}
    assert len({name for page in names for name in page}) == sum(map(len, names)) > 60


def test_pending_changes_go_along_with_the_next_immediate_one(account: Account) -> None:
    """ "Using the schedule modifications setting": what waits for the maintenance window is applied with ApplyImmediately, too."""
    resource_id = account.make("facts-pending", BackupRetentionPeriod=0)["DbiResourceId"]
    changes = {"DBInstanceClass": "db.t3.large", "AllocatedStorage": 30}
    answer = account.rds.modify_db_instance(DBInstanceIdentifier="facts-pending", **changes)
    assert answer["DBInstance"]["PendingModifiedValues"] == changes
    assert account.see(resource_id)["DBInstanceClass"] == "db.t3.medium"
    exports = {"EnableLogTypes": ["error", "slowquery"]}
    password = "another-Password2"
    account.modify("facts-pending", MasterUserPassword=password, CloudwatchLogsExportConfiguration=exports)
    instance = account.available(resource_id)
    assert changes.items() <= instance.items()
    assert instance["EnabledCloudwatchLogsExports"] == ["error", "slowquery"]
    assert account.value(resource_id, "1", password=password) == 1
    account.delete("facts-pending")


def test_backup_retention_switches_the_binary_log(account: Account) -> None:
    """ "Configuring MySQL binary logging": it is on while automated backups are, and a change between the two restarts the server."""
    made = account.make("facts-backups", BackupRetentionPeriod=0)
    resource_id = made["DbiResourceId"]
    assert "LatestRestorableTime" not in made
    assert account.value(resource_id, "@@log_bin") == 0
    for days, on in ((3, 1), (0, 0)):
        account.modify("facts-backups", BackupRetentionPeriod=days)
        instance = account.available(resource_id)
        assert (instance["BackupRetentionPeriod"], "LatestRestorableTime" in instance) == (days, bool(on))
        assert account.value(resource_id, "@@log_bin") == on
    account.delete("facts-backups")


def test_what_a_deleted_instance_leaves(account: Account) -> None:
    """ "Deleting a DB instance": its automated snapshots go, the final one stays; tags are copied where that was asked for."""
    tags = [{"Key": "a", "Value": "b"}]
    made = account.make("facts-deleted", CopyTagsToSnapshot=True, Tags=tags)
    names = {"DBInstanceIdentifier": "facts-deleted"}
    assert len(account.rds.describe_db_snapshots(**names, SnapshotType="automated")["DBSnapshots"]) == 1
    account.rds.delete_db_instance(**names, FinalDBSnapshotIdentifier="facts-final")
    account.gone(made["DbiResourceId"])
    (final,) = account.rds.describe_db_snapshots(**names)["DBSnapshots"]
    assert (final["DBSnapshotIdentifier"], final["Status"], final["TagList"]) == (
        "facts-final",
        "available",
        tags,
    )
    messages = account.messages("facts-deleted")
    assert (messages[0], messages[-1]) == ("DB instance created", "DB instance deleted")
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="facts-final")


def test_a_replica_follows_its_source_through_a_rename_and_outlives_it(account: Account) -> None:
    """ "Working with DB instance read replicas": it has no backups and its source's group, and is promoted when the source is deleted."""
    source = account.make("facts-source")["DbiResourceId"]
    account.rows(source, "CREATE TABLE t (id INT PRIMARY KEY)")
    replica = account.replica("facts-follower", "facts-source")
    instance = account.available(replica)
    assert (instance["BackupRetentionPeriod"], instance["StatusInfos"][0]["Status"]) == (0, "replicating")
    assert account.see(source)["ReadReplicaDBInstanceIdentifiers"] == ["facts-follower"]
    with pytest.raises(pymysql.err.OperationalError, match="read-only"):
        account.rows(replica, "INSERT INTO t VALUES (-1)")
    account.provoke.duration("away", 2)
    account.modify("facts-source", NewDBInstanceIdentifier="facts-moved")
    account.await_status(source, "renaming")
    account.available(source)
    account.rows(source, "INSERT INTO t VALUES (1)")
    until(lambda: account.rows(replica, "SELECT * FROM t"), lambda rows: rows == [{"id": 1}])
    assert account.see(replica)["ReadReplicaSourceDBInstanceIdentifier"] == "facts-moved"
    account.delete("facts-moved")
    account.gone(source)
    until(
        lambda: account.see(replica),
        lambda state: (
            "ReadReplicaSourceDBInstanceIdentifier" not in state and state["DBInstanceStatus"] == "available"
        ),
    )
    account.rows(replica, "INSERT INTO t VALUES (2)")
    account.delete("facts-follower")


def test_a_restore_drops_settings(account: Account) -> None:
    """botocore's texts of RestoreDBInstanceFromDBSnapshot: what is not asked for takes AWS's defaults, not the old instance's values."""
    group = account.group("facts-origin")
    origin = account.make(
        "facts-origin",
        DBParameterGroupName=group,
        BackupRetentionPeriod=5,
        MultiAZ=True,
        EnableCloudwatchLogsExports=["error"],
        EnableIAMDatabaseAuthentication=True,
        AutoMinorVersionUpgrade=False,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    account.rows(origin["DbiResourceId"], "CREATE TABLE t (id INT PRIMARY KEY)")
    account.snapshot("facts-origin", "facts-origin")
    account.delete("facts-origin")
    restored = account.available(account.restore("facts-dropped", "facts-origin"))
    assert restored["DBInstanceClass"] == origin["DBInstanceClass"]
    assert restored["BackupRetentionPeriod"] == 5
    assert restored["DBParameterGroups"][0]["DBParameterGroupName"] == "default.mysql8.0"
    assert not restored["MultiAZ"]
    assert restored["AutoMinorVersionUpgrade"]
    assert not restored["IAMDatabaseAuthenticationEnabled"]
    assert "EnabledCloudwatchLogsExports" not in restored
    assert restored["TagList"] == []
    assert account.rows(restored["DbiResourceId"], "SHOW TABLES") == [{"Tables_in_shop": "t"}]
    account.delete("facts-dropped")
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="facts-origin")


def test_restores_and_copies_fail_when_they_are_told_to(account: Account, facts: dict[str, Any]) -> None:
    """Not a fact of RDS, but how tests of other facts make one."""
    account.provoke.fail_copy()
    account.copy("facts-broken", "facts")
    assert account.see_snapshot("facts-broken")["Status"] == "failed"
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="facts-broken")
    account.provoke.fail_restore()
    account.await_status(account.restore("facts-broken", "facts"), "incompatible-restore")
    account.delete("facts-broken")
