"""The life of an instance: names, restarts, parameters, replicas, as clients of the API and of the server see it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError

from dev.sandbox import Sandbox
from tests.sandbox.rds_support import (
    PASSWORD,
    available,
    begin,
    connect,
    gone,
    instance,
    make,
    query,
    start_replication,
    until,
    value,
)


@pytest.fixture(scope="module")
def parameter_group(sandbox: Sandbox) -> str:
    sandbox.client("rds").create_db_parameter_group(
        DBParameterGroupName="lives", DBParameterGroupFamily="mysql8.0", Description="of the instances here"
    )
    return "lives"


@pytest.fixture(scope="module")
def lives(sandbox: Sandbox, parameter_group: str) -> Iterator[dict[str, Any]]:
    """An instance with a parameter group of its own, a table and a row."""
    tags = [{"Key": "owner", "Value": "tests"}]
    made = make(sandbox, "lives", DBParameterGroupName=parameter_group, BackupRetentionPeriod=2, Tags=tags)
    query(sandbox, made, "CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(20))")
    query(sandbox, made, "INSERT INTO t VALUES (1, 'one')")
    yield made
    sandbox.client("rds").delete_db_instance(DBInstanceIdentifier="lives", SkipFinalSnapshot=True)


def change(
    sandbox: Sandbox, parameter_group: str, *parameters: tuple[str, str], method: str = "immediate"
) -> None:
    sandbox.client("rds").modify_db_parameter_group(
        DBParameterGroupName=parameter_group,
        Parameters=[{"ParameterName": n, "ParameterValue": v, "ApplyMethod": method} for n, v in parameters],
    )


def apply_status(sandbox: Sandbox, resource_id: str) -> str:
    return str(instance(sandbox, resource_id)["DBParameterGroups"][0]["ParameterApplyStatus"])


def test_statuses_move_while_it_is_made(sandbox: Sandbox) -> None:
    sandbox.faults.duration("backup", 2)  # long enough for a poll on a busy machine
    resource_id = begin(sandbox, "watched")
    seen: list[str] = []

    def look() -> str:
        found = instance(sandbox, resource_id)
        status = str(found["DBInstanceStatus"])
        assert ("Endpoint" in found) == (status != "creating")
        if status not in seen:
            seen.append(status)
        return status

    until(look, lambda status: status == "available")
    assert seen == ["creating", "backing-up", "available"]
    sandbox.faults.clear()
    automated = sandbox.client("rds").describe_db_snapshots(
        DBInstanceIdentifier="watched", SnapshotType="automated"
    )
    assert len(automated["DBSnapshots"]) == 1
    sandbox.client("rds").delete_db_instance(DBInstanceIdentifier="watched", SkipFinalSnapshot=True)
    assert instance(sandbox, resource_id)["DBInstanceStatus"] == "deleting"
    gone(sandbox, resource_id)
    assert not sandbox.client("rds").describe_db_snapshots(DBInstanceIdentifier="watched")["DBSnapshots"]


def test_is_found_by_name_arn_and_filters(sandbox: Sandbox, lives: dict[str, Any]) -> None:
    rds = sandbox.client("rds")
    for name in ("lives", "LIVES", lives["DBInstanceArn"]):
        assert (
            rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceIdentifier"]
            == "lives"
        )
    for filter_name, wanted in (
        ("db-instance-id", lives["DBInstanceArn"]),
        ("dbi-resource-id", lives["DbiResourceId"]),
        ("engine", "mysql"),
    ):
        found = rds.describe_db_instances(Filters=[{"Name": filter_name, "Values": [wanted]}])["DBInstances"]
        assert "lives" in [each["DBInstanceIdentifier"] for each in found]
    assert rds.describe_db_instances(Filters=[{"Name": "engine", "Values": ["oracle"]}])["DBInstances"] == []


def test_dynamic_parameters_reach_the_server_and_static_ones_wait_for_a_reboot(
    sandbox: Sandbox, lives: dict[str, Any], parameter_group: str
) -> None:
    rds = sandbox.client("rds")
    change(sandbox, parameter_group, ("long_query_time", "3"), ("max_connections", "77"))
    until(lambda: value(sandbox, lives, "@@global.max_connections"), lambda seen: seen == 77)
    until(lambda: apply_status(sandbox, lives["DbiResourceId"]), lambda seen: seen == "in-sync")

    change(sandbox, parameter_group, ("back_log", "55"), method="pending-reboot")
    until(lambda: apply_status(sandbox, lives["DbiResourceId"]), lambda seen: seen == "pending-reboot")
    assert value(sandbox, lives, "@@back_log") != 55
    rds.reboot_db_instance(DBInstanceIdentifier="lives")
    available(sandbox, lives["DbiResourceId"])
    assert value(sandbox, lives, "@@back_log") == 55
    assert apply_status(sandbox, lives["DbiResourceId"]) == "in-sync"

    pages = rds.get_paginator("describe_db_parameters").paginate(
        DBParameterGroupName=parameter_group, PaginationConfig={"PageSize": 20}
    )
    sizes: list[int] = []
    names: set[str] = set()
    for page in pages:
        sizes.append(len(page["Parameters"]))
        names |= {each["ParameterName"] for each in page["Parameters"]}
    assert set(sizes[:-1]) == {20}
    assert len(names) == sum(sizes) > 60
    user = rds.describe_db_parameters(DBParameterGroupName=parameter_group, Source="user")["Parameters"]
    assert {each["ParameterName"]: each["ParameterValue"] for each in user} == {
        "back_log": "55",
        "long_query_time": "3",
        "max_connections": "77",
    }
    rds.reset_db_parameter_group(DBParameterGroupName=parameter_group, ResetAllParameters=True)
    until(lambda: value(sandbox, lives, "@@global.max_connections"), lambda seen: seen != 77)
    assert rds.describe_db_parameters(DBParameterGroupName=parameter_group, Source="user")["Parameters"] == []


def test_read_only_fences_the_master_user_within_a_moment(
    sandbox: Sandbox, lives: dict[str, Any], parameter_group: str
) -> None:
    change(sandbox, parameter_group, ("read_only", "1"))
    until(lambda: value(sandbox, lives, "@@global.read_only"), lambda seen: seen == 1)
    with pytest.raises(pymysql.err.OperationalError, match="read-only"):
        query(sandbox, lives, "INSERT INTO t VALUES (2, 'two')")
    change(sandbox, parameter_group, ("read_only", "{TrueIfReplica}"))
    until(lambda: value(sandbox, lives, "@@global.read_only"), lambda seen: seen == 0)


def test_a_new_group_is_pending_until_a_rename_which_reboots(sandbox: Sandbox, lives: dict[str, Any]) -> None:
    rds = sandbox.client("rds")
    resource_id = lives["DbiResourceId"]
    rds.create_db_parameter_group(
        DBParameterGroupName="lives-2", DBParameterGroupFamily="mysql8.0", Description="another"
    )
    change(sandbox, "lives-2", ("max_connections", "88"))
    rds.modify_db_instance(
        DBInstanceIdentifier="lives", DBParameterGroupName="lives-2", ApplyImmediately=True
    )
    until(lambda: apply_status(sandbox, resource_id), lambda seen: seen == "pending-reboot")
    available(sandbox, resource_id)
    assert value(sandbox, lives, "@@max_connections") != 88

    held = connect(sandbox, lives["Endpoint"]["Address"])
    rds.modify_db_instance(
        DBInstanceIdentifier="lives", NewDBInstanceIdentifier="lives-on", ApplyImmediately=True
    )
    # As on AWS, the status says `available` for a moment; a busy machine may look too late to see that, or the gap below.
    assert instance(sandbox, resource_id)["DBInstanceStatus"] in {"available", "renaming"}
    away: list[str] = []

    def look() -> dict[str, Any]:
        old, new = by_name(sandbox, "lives"), by_name(sandbox, "lives-on")
        if not old and not new:
            away.append(instance(sandbox, resource_id)["DBInstanceStatus"])
        return new

    renamed = until(look, lambda seen: seen.get("DBInstanceStatus") == "available")
    assert set(away) <= {"renaming", "rebooting"}, "while neither name answers, the resource id does"
    assert renamed["DbiResourceId"] == resource_id
    assert renamed["DBInstanceArn"].endswith(":db:lives-on")
    assert renamed["Endpoint"]["Address"] != lives["Endpoint"]["Address"]
    assert renamed["DBParameterGroups"][0] == {
        "DBParameterGroupName": "lives-2",
        "ParameterApplyStatus": "in-sync",
    }
    with pytest.raises(pymysql.err.OperationalError):
        held.query("SELECT 1")
    with pytest.raises(pymysql.err.OperationalError):
        connect(sandbox, lives["Endpoint"]["Address"])
    assert value(sandbox, renamed, "@@max_connections") == 88
    assert rds.list_tags_for_resource(ResourceName=renamed["DBInstanceArn"])["TagList"] == [
        {"Key": "owner", "Value": "tests"}
    ]
    rds.modify_db_instance(
        DBInstanceIdentifier="lives-on",
        NewDBInstanceIdentifier="lives",
        DBParameterGroupName="lives",
        ApplyImmediately=True,
    )
    available(sandbox, resource_id, DBInstanceIdentifier="lives")
    rds.delete_db_parameter_group(DBParameterGroupName="lives-2")


def by_name(sandbox: Sandbox, name: str) -> dict[str, Any]:
    try:
        return dict(sandbox.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])
    except sandbox.client("rds").exceptions.DBInstanceNotFoundFault:
        return {}


def test_two_instances_swap_their_names_and_addresses(sandbox: Sandbox) -> None:
    rds = sandbox.client("rds")
    first, second = begin(sandbox, "swap-a"), begin(sandbox, "swap-b")
    address = available(sandbox, first)["Endpoint"]["Address"]
    uuid = value(sandbox, available(sandbox, second), "@@server_uuid")
    rds.modify_db_instance(
        DBInstanceIdentifier="swap-a", NewDBInstanceIdentifier="swap-old", ApplyImmediately=True
    )
    with pytest.raises(ClientError, match="DBInstanceAlreadyExists"):
        rds.modify_db_instance(
            DBInstanceIdentifier="swap-b", NewDBInstanceIdentifier="swap-a", ApplyImmediately=True
        )
    available(sandbox, first, DBInstanceIdentifier="swap-old")
    rds.modify_db_instance(
        DBInstanceIdentifier="swap-b", NewDBInstanceIdentifier="swap-a", ApplyImmediately=True
    )
    now = available(sandbox, second, DBInstanceIdentifier="swap-a")
    assert now["Endpoint"]["Address"] == address
    assert value(sandbox, now, "@@server_uuid") == uuid
    for name in ("swap-a", "swap-old"):
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def test_a_parameter_that_keeps_the_server_down_is_survived(sandbox: Sandbox) -> None:
    rds = sandbox.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="harmful", DBParameterGroupFamily="mysql8.0", Description="keeps servers down"
    )
    made = make(sandbox, "harmed", DBParameterGroupName="harmful", BackupRetentionPeriod=0)
    change(sandbox, "harmful", ("lower_case_table_names", "1"), method="pending-reboot")
    until(lambda: apply_status(sandbox, made["DbiResourceId"]), lambda seen: seen == "pending-reboot")
    rds.reboot_db_instance(DBInstanceIdentifier="harmed")
    until(
        lambda: instance(sandbox, made["DbiResourceId"])["DBInstanceStatus"],
        lambda seen: seen == "incompatible-parameters",
    )
    rds.reset_db_parameter_group(DBParameterGroupName="harmful", ResetAllParameters=True)
    rds.reboot_db_instance(DBInstanceIdentifier="harmed")
    available(sandbox, made["DbiResourceId"])
    assert works(sandbox, made)
    rds.delete_db_instance(DBInstanceIdentifier="harmed", SkipFinalSnapshot=True)


def test_pending_changes_wait_and_go_along_with_the_next_immediate_one(
    sandbox: Sandbox, lives: dict[str, Any]
) -> None:
    rds = sandbox.client("rds")
    resource_id = lives["DbiResourceId"]
    answer = rds.modify_db_instance(
        DBInstanceIdentifier="lives", DBInstanceClass="db.t3.large", AllocatedStorage=30
    )
    assert answer["DBInstance"]["PendingModifiedValues"] == {
        "DBInstanceClass": "db.t3.large",
        "AllocatedStorage": 30,
    }
    assert instance(sandbox, resource_id)["DBInstanceClass"] == "db.t3.medium"
    rds.modify_db_instance(
        DBInstanceIdentifier="lives",
        MasterUserPassword="another-Password2",
        CloudwatchLogsExportConfiguration={"EnableLogTypes": ["error", "slowquery"]},
        ApplyImmediately=True,
    )
    available(
        sandbox,
        resource_id,
        DBInstanceClass="db.t3.large",
        AllocatedStorage=30,
        PendingModifiedValues={},
        EnabledCloudwatchLogsExports=["error", "slowquery"],
    )
    assert value(sandbox, lives, "1", password="another-Password2") == 1
    rds.modify_db_instance(DBInstanceIdentifier="lives", MasterUserPassword=PASSWORD, ApplyImmediately=True)
    until(lambda: works(sandbox, lives), lambda seen: seen)
    available(sandbox, resource_id)


def works(sandbox: Sandbox, seen: dict[str, Any]) -> bool:
    try:
        return bool(value(sandbox, seen, "1") == 1)
    except pymysql.err.OperationalError:
        return False


def test_backup_retention_switches_the_binary_log(sandbox: Sandbox) -> None:
    rds = sandbox.client("rds")
    made = make(sandbox, "retention", BackupRetentionPeriod=0)
    assert "LatestRestorableTime" not in made
    assert value(sandbox, made, "@@log_bin") == 0
    rds.modify_db_instance(DBInstanceIdentifier="retention", BackupRetentionPeriod=3, ApplyImmediately=True)
    seen = available(sandbox, made["DbiResourceId"], BackupRetentionPeriod=3)
    assert value(sandbox, seen, "@@log_bin") == 1
    assert seen["LatestRestorableTime"] is not None
    rds.modify_db_instance(DBInstanceIdentifier="retention", BackupRetentionPeriod=0, ApplyImmediately=True)
    seen = available(sandbox, made["DbiResourceId"], BackupRetentionPeriod=0)
    assert value(sandbox, seen, "@@log_bin") == 0
    rds.delete_db_instance(DBInstanceIdentifier="retention", SkipFinalSnapshot=True)


def test_stop_start_and_delete_with_a_final_snapshot(sandbox: Sandbox) -> None:
    rds = sandbox.client("rds")
    made = make(sandbox, "rests", CopyTagsToSnapshot=True, Tags=[{"Key": "a", "Value": "b"}])
    rds.stop_db_instance(DBInstanceIdentifier="rests")
    stopped = until(
        lambda: instance(sandbox, made["DbiResourceId"]), lambda i: i["DBInstanceStatus"] == "stopped"
    )
    assert stopped["AutomaticRestartTime"] > stopped["InstanceCreateTime"]
    with pytest.raises(pymysql.err.OperationalError):
        connect(sandbox, made["Endpoint"]["Address"])
    with pytest.raises(ClientError, match="InvalidDBInstanceState"):
        rds.modify_db_instance(DBInstanceIdentifier="rests", BackupRetentionPeriod=5)
    rds.start_db_instance(DBInstanceIdentifier="rests")
    available(sandbox, made["DbiResourceId"])
    assert works(sandbox, made)
    rds.delete_db_instance(DBInstanceIdentifier="rests", FinalDBSnapshotIdentifier="rests-final")
    gone(sandbox, made["DbiResourceId"])
    final = rds.describe_db_snapshots(DBSnapshotIdentifier="rests-final")["DBSnapshots"][0]
    assert (final["Status"], final["TagList"]) == ("available", [{"Key": "a", "Value": "b"}])
    messages = [each["Message"] for each in rds.describe_events(SourceIdentifier="rests")["Events"]]
    assert messages[0] == "DB instance created"
    assert messages[-1] == "DB instance deleted"


def test_a_replica_follows_through_renames_and_is_promoted(sandbox: Sandbox, lives: dict[str, Any]) -> None:
    rds = sandbox.client("rds")
    stopping = threading.Event()
    writer = threading.Thread(target=write_until, args=(sandbox, lives, stopping))
    writer.start()
    answer = rds.create_db_instance_read_replica(
        DBInstanceIdentifier="lives-replica",
        SourceDBInstanceIdentifier="lives",
        Tags=[{"Key": "k", "Value": "v"}],
    )["DBInstance"]
    assert answer["BackupRetentionPeriod"] == 0
    replica = available(sandbox, answer["DbiResourceId"])
    stopping.set()
    writer.join()
    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == "lives"
    assert replica["StatusInfos"][0]["Status"] == "replicating"
    assert replica["DBParameterGroups"][0]["DBParameterGroupName"] == "lives"
    assert instance(sandbox, lives["DbiResourceId"])["ReadReplicaDBInstanceIdentifiers"] == ["lives-replica"]
    written = query(sandbox, lives, "SELECT COUNT(*) AS n, SUM(id) AS s FROM t")
    until(
        lambda: query(sandbox, replica, "SELECT COUNT(*) AS n, SUM(id) AS s FROM t"),
        lambda seen: seen == written,
    )
    with pytest.raises(pymysql.err.OperationalError, match="read-only"):
        query(sandbox, replica, "INSERT INTO t VALUES (-1, 'no')")

    # RDS's agent resumes a channel that is stopped within seconds of the server's start; a slow machine is still in them.
    until(lambda: stopped_replication(sandbox, replica), lambda seen: seen == "stopped")
    start_replication(sandbox, replica)
    until(lambda: replication(sandbox, replica), lambda seen: seen == "replicating")

    rds.modify_db_instance(
        DBInstanceIdentifier="lives", NewDBInstanceIdentifier="lives-moved", ApplyImmediately=True
    )
    moved = available(sandbox, lives["DbiResourceId"], DBInstanceIdentifier="lives-moved")
    query(sandbox, moved, "INSERT INTO t VALUES (-5, 'after the move')")
    until(lambda: query(sandbox, replica, "SELECT * FROM t WHERE id = -5"), lambda seen: len(seen) == 1)
    assert (
        instance(sandbox, replica["DbiResourceId"])["ReadReplicaSourceDBInstanceIdentifier"] == "lives-moved"
    )

    rds.promote_read_replica(DBInstanceIdentifier="lives-replica", BackupRetentionPeriod=1)
    promoted = available(sandbox, replica["DbiResourceId"], BackupRetentionPeriod=1)
    assert "ReadReplicaSourceDBInstanceIdentifier" not in promoted
    query(sandbox, promoted, "INSERT INTO t VALUES (-6, 'of its own')")
    rds.delete_db_instance(DBInstanceIdentifier="lives-replica", SkipFinalSnapshot=True)
    rds.modify_db_instance(
        DBInstanceIdentifier="lives-moved", NewDBInstanceIdentifier="lives", ApplyImmediately=True
    )
    available(sandbox, lives["DbiResourceId"], DBInstanceIdentifier="lives")


def replication(sandbox: Sandbox, replica: dict[str, Any]) -> str:
    return str(instance(sandbox, replica["DbiResourceId"])["StatusInfos"][0]["Status"])


def stopped_replication(sandbox: Sandbox, replica: dict[str, Any]) -> str:
    """Stop replication unless it is stopped, and return its status."""
    with contextlib.suppress(pymysql.err.OperationalError):
        query(sandbox, replica, "CALL mysql.rds_stop_replication")
    return replication(sandbox, replica)


def write_until(sandbox: Sandbox, seen: dict[str, Any], stopping: threading.Event) -> None:
    with connect(sandbox, seen["Endpoint"]["Address"]) as connection, connection.cursor() as cursor:
        number = 100
        while not stopping.wait(0.002):
            cursor.execute("INSERT INTO t VALUES (%s, 'busy')", (number,))
            number += 1


def test_deleting_a_source_promotes_its_replicas(sandbox: Sandbox) -> None:
    rds = sandbox.client("rds")
    source = make(sandbox, "leaving")
    answer = rds.create_db_instance_read_replica(
        DBInstanceIdentifier="left", SourceDBInstanceIdentifier="leaving"
    )
    replica = available(sandbox, answer["DBInstance"]["DbiResourceId"])
    rds.delete_db_instance(DBInstanceIdentifier="leaving", SkipFinalSnapshot=True)
    gone(sandbox, source["DbiResourceId"])
    alone = until(
        lambda: instance(sandbox, replica["DbiResourceId"]),
        lambda seen: (
            "ReadReplicaSourceDBInstanceIdentifier" not in seen and seen["DBInstanceStatus"] == "available"
        ),
    )
    query(sandbox, alone, "CREATE TABLE mine (id INT PRIMARY KEY)")
    rds.delete_db_instance(DBInstanceIdentifier="left", SkipFinalSnapshot=True)
