"""The road that encrypts: snapshot, encrypted copy, restore, replication from outside, on real servers."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from dev.sandbox import Sandbox
from tests.sandbox.rds_support import (
    available,
    gone,
    instance,
    make,
    query,
    snapshot,
    start_replication,
    until,
    value,
)

REPLICATION_PASSWORD = "repl-Password1"


@pytest.mark.parametrize("engine", ["8.0", "5.7"])
def test_a_replicas_encrypted_copy_catches_up_with_the_source(sandbox: Sandbox, engine: str) -> None:
    rds = sandbox.client("rds")
    name = f"road-{engine.replace('.', '')}"
    key = sandbox.client("kms").create_key()["KeyMetadata"]["Arn"]
    source = make(sandbox, name, EngineVersion=engine, BackupRetentionPeriod=1)
    query(sandbox, source, "CREATE TABLE t (id INT PRIMARY KEY)")
    query(sandbox, source, "INSERT INTO t VALUES (1)")
    query(sandbox, source, "CALL mysql.rds_set_configuration('binlog retention hours', 24)")
    answer = rds.create_db_instance_read_replica(
        DBInstanceIdentifier=f"{name}-r", SourceDBInstanceIdentifier=name
    )
    replica = available(sandbox, answer["DBInstance"]["DbiResourceId"])
    query(sandbox, replica, "CALL mysql.rds_stop_replication")
    status = query(sandbox, replica, "SHOW SLAVE STATUS")[0]

    rds.create_db_snapshot(DBSnapshotIdentifier=f"{name}-s", DBInstanceIdentifier=f"{name}-r")
    assert instance(sandbox, replica["DbiResourceId"])["DBInstanceStatus"] == "backing-up"
    taken = snapshot(sandbox, f"{name}-s")
    rds.copy_db_snapshot(
        SourceDBSnapshotIdentifier=taken["DBSnapshotArn"],
        TargetDBSnapshotIdentifier=f"{name}-e",
        KmsKeyId=key,
    )
    copied = snapshot(sandbox, f"{name}-e")
    assert (copied["Encrypted"], copied["KmsKeyId"], copied["PercentProgress"]) == (True, key, 100)
    assert copied["SourceDBSnapshotIdentifier"] == taken["DBSnapshotArn"]

    asked = rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier=f"{name}-encrypted", DBSnapshotIdentifier=f"{name}-e", BackupRetentionPeriod=1
    )["DBInstance"]
    encrypted = available(sandbox, asked["DbiResourceId"])
    assert (encrypted["StorageEncrypted"], encrypted["KmsKeyId"]) == (True, key)
    assert encrypted["DbiResourceId"] != source["DbiResourceId"]
    assert value(sandbox, encrypted, "@@server_uuid") != value(sandbox, source, "@@server_uuid")

    query(sandbox, source, "INSERT INTO t VALUES (2)")
    query(
        sandbox,
        source,
        "CREATE USER repl@'%%' IDENTIFIED BY %s REQUIRE SSL",
        REPLICATION_PASSWORD,
    )
    query(sandbox, source, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO repl@'%'")
    answer = query(
        sandbox,
        encrypted,
        "CALL mysql.rds_set_external_master(%s, 3306, 'repl', %s, %s, %s, 0)",
        source["Endpoint"]["Address"],
        REPLICATION_PASSWORD,
        status["Relay_Master_Log_File"],
        int(status["Exec_Master_Log_Pos"]),
    )
    assert "disabled on this host" not in str(answer)
    start_replication(sandbox, encrypted)
    until(
        lambda: query(sandbox, encrypted, "SELECT id FROM t ORDER BY id"),
        lambda seen: [r["id"] for r in seen] == [1, 2],
    )

    for each in (f"{name}-encrypted", f"{name}-r", name):
        rds.delete_db_instance(DBInstanceIdentifier=each, SkipFinalSnapshot=True)
    for found in (encrypted, replica, source):
        gone(sandbox, found["DbiResourceId"])
    for each in (f"{name}-s", f"{name}-e"):
        rds.delete_db_snapshot(DBSnapshotIdentifier=each)


@pytest.fixture(scope="module")
def origin(sandbox: Sandbox) -> dict[str, Any]:
    """A snapshot of an instance with settings of its own, which is gone again."""
    rds = sandbox.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="origin", DBParameterGroupFamily="mysql8.0", Description="own"
    )
    made = make(
        sandbox,
        "origin",
        DBParameterGroupName="origin",
        BackupRetentionPeriod=5,
        MultiAZ=True,
        CopyTagsToSnapshot=True,
        EnableCloudwatchLogsExports=["error"],
        EnableIAMDatabaseAuthentication=True,
        AutoMinorVersionUpgrade=False,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    query(sandbox, made, "CREATE TABLE t (id INT PRIMARY KEY)")
    rds.create_db_snapshot(DBSnapshotIdentifier="origin", DBInstanceIdentifier="origin")
    snapshot(sandbox, "origin")
    available(sandbox, made["DbiResourceId"])
    rds.delete_db_instance(DBInstanceIdentifier="origin", SkipFinalSnapshot=True)
    gone(sandbox, made["DbiResourceId"])
    return made


def test_a_restore_silently_drops_settings(sandbox: Sandbox, origin: dict[str, Any]) -> None:
    rds = sandbox.client("rds")
    asked = rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="restored", DBSnapshotIdentifier="origin"
    )
    restored = available(sandbox, asked["DBInstance"]["DbiResourceId"])
    assert restored["DBInstanceClass"] == origin["DBInstanceClass"]
    assert restored["BackupRetentionPeriod"] == 5
    assert restored["DBParameterGroups"][0]["DBParameterGroupName"] == "default.mysql8.0"
    assert restored["MultiAZ"] is False
    assert restored["AutoMinorVersionUpgrade"] is True
    assert restored["IAMDatabaseAuthenticationEnabled"] is False
    assert "EnabledCloudwatchLogsExports" not in restored
    assert restored["TagList"] == []
    assert query(sandbox, restored, "SHOW TABLES") == [{"Tables_in_shop": "t"}]
    rds.delete_db_instance(DBInstanceIdentifier="restored", SkipFinalSnapshot=True)


def test_snapshots_are_listed_filtered_shared_and_deleted(sandbox: Sandbox, origin: dict[str, Any]) -> None:
    rds = sandbox.client("rds")
    names = {"many-0", "many-1", "many-2"}
    for name in names:
        rds.copy_db_snapshot(SourceDBSnapshotIdentifier="origin", TargetDBSnapshotIdentifier=name)
    for name in names:
        assert snapshot(sandbox, name)["Status"] == "available"
    found = [each["DBSnapshotIdentifier"] for each in rds.describe_db_snapshots()["DBSnapshots"]]
    assert names <= set(found)
    by_owner = rds.describe_db_snapshots(DBInstanceIdentifier="origin", SnapshotType="manual")["DBSnapshots"]
    assert {each["DBSnapshotIdentifier"] for each in by_owner} >= {"origin", "many-0"}

    rds.modify_db_snapshot_attribute(
        DBSnapshotIdentifier="origin", AttributeName="restore", ValuesToAdd=["210987654321", "all"]
    )
    shared = rds.describe_db_snapshot_attributes(DBSnapshotIdentifier="origin")["DBSnapshotAttributesResult"]
    assert shared["DBSnapshotAttributes"] == [
        {"AttributeName": "restore", "AttributeValues": ["210987654321", "all"]}
    ]
    for name in names:
        rds.delete_db_snapshot(DBSnapshotIdentifier=name)
    with pytest.raises(ClientError, match="DBSnapshotNotFound"):
        rds.describe_db_snapshots(DBSnapshotIdentifier="many-0")


def test_restores_and_copies_fail_when_they_are_told_to(sandbox: Sandbox, origin: dict[str, Any]) -> None:
    rds = sandbox.client("rds")
    sandbox.faults.fail_copy()
    rds.copy_db_snapshot(SourceDBSnapshotIdentifier="origin", TargetDBSnapshotIdentifier="broken")
    assert snapshot(sandbox, "broken")["Status"] == "failed"
    rds.delete_db_snapshot(DBSnapshotIdentifier="broken")
    sandbox.faults.fail_restore()
    asked = rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="broken", DBSnapshotIdentifier="origin"
    )
    resource_id = asked["DBInstance"]["DbiResourceId"]
    until(
        lambda: instance(sandbox, resource_id)["DBInstanceStatus"],
        lambda status: status == "incompatible-restore",
    )
    rds.delete_db_instance(DBInstanceIdentifier="broken", SkipFinalSnapshot=True)
    gone(sandbox, resource_id)
