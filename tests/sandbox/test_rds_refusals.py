"""What RDS refuses, with its own codes: one table, one row a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dev.sandbox import Sandbox
from tests.sandbox.rds_support import PASSWORD, begin, make, snapshot, until

NEW = {
    "DBInstanceIdentifier": "refused",
    "DBInstanceClass": "db.t3.medium",
    "Engine": "mysql",
    "MasterUsername": "admin",
    "MasterUserPassword": PASSWORD,
    "AllocatedStorage": 20,
}
SECRET_KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
PROTECTED = "Cannot delete protected DB Instance, please disable deletion protection and try again."


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> Iterator[None]:
    """Instances, a replica, a snapshot and a parameter group for the requests to be refused about."""
    rds = sandbox.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="refusing", DBParameterGroupFamily="mysql8.0", Description="in use"
    )
    rds.create_db_parameter_group(
        DBParameterGroupName="refusing57",
        DBParameterGroupFamily="mysql5.7",
        Description="of the other family",
    )
    rds.create_option_group(
        OptionGroupName="refusing57",
        EngineName="mysql",
        MajorEngineVersion="5.7",
        OptionGroupDescription="other",
    )
    key = sandbox.client("kms").create_key()["KeyMetadata"]["KeyId"]
    sandbox.client("kms").create_alias(AliasName="alias/disabled", TargetKeyId=key)
    sandbox.client("kms").disable_key(KeyId=key)
    begin(sandbox, "no-backups", BackupRetentionPeriod=0, DeletionProtection=True)
    make(sandbox, "refusing", DBParameterGroupName="refusing")
    rds.create_db_instance_read_replica(
        DBInstanceIdentifier="refusing-replica", SourceDBInstanceIdentifier="refusing"
    )
    rds.create_db_snapshot(DBInstanceIdentifier="refusing", DBSnapshotIdentifier="refusing")
    snapshot(sandbox, "refusing")
    for name in ("refusing", "refusing-replica", "no-backups"):
        until(
            lambda name=name: rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0][
                "DBInstanceStatus"
            ],  # type: ignore[misc]
            lambda status: status == "available",
        )
    rds.copy_db_snapshot(
        SourceDBSnapshotIdentifier="refusing",
        TargetDBSnapshotIdentifier="refusing-encrypted",
        KmsKeyId="alias/aws/rds",
    )
    snapshot(sandbox, "refusing-encrypted")
    yield
    rds.modify_db_instance(DBInstanceIdentifier="no-backups", DeletionProtection=False, ApplyImmediately=True)
    for name in ("refusing-replica", "refusing", "no-backups"):
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def new(**changed: Any) -> dict[str, Any]:
    return {**NEW, **changed}


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("describe_db_instances", {"DBInstanceIdentifier": "nobody"}, "DBInstanceNotFound", "nobody not found"),
    ("describe_db_instances", {"MaxRecords": 5}, "InvalidParameterValue", "MaxRecords"),
    (
        "describe_db_instances",
        {"Filters": [{"Name": "color", "Values": ["red"]}]},
        "InvalidParameterValue",
        "filter",
    ),
    ("create_db_instance", new(DBInstanceIdentifier="refusing"), "DBInstanceAlreadyExists", "already exists"),
    ("create_db_instance", new(DBInstanceIdentifier="Refusing"), "DBInstanceAlreadyExists", "already exists"),
    (
        "create_db_instance",
        new(DBInstanceIdentifier="1st"),
        "InvalidParameterValue",
        "must begin with a letter",
    ),
    (
        "create_db_instance",
        new(DBInstanceIdentifier="a--b"),
        "InvalidParameterValue",
        "two consecutive hyphens",
    ),
    ("create_db_instance", new(DBInstanceIdentifier="a-"), "InvalidParameterValue", "end with a hyphen"),
    ("create_db_instance", new(DBInstanceIdentifier="a" * 64), "InvalidParameterValue", "identifier"),
    ("create_db_instance", new(MasterUserPassword="short"), "InvalidParameterValue", "shorter than 8"),
    ("create_db_instance", new(MasterUsername="rdsadmin"), "InvalidParameterValue", "reserved word"),
    (
        "create_db_instance",
        new(DBInstanceClass="t3.medium"),
        "InvalidParameterValue",
        "Invalid DB Instance class",
    ),
    ("create_db_instance", new(EngineVersion="8.0.99"), "InvalidParameterCombination", "Cannot find version"),
    ("create_db_instance", new(AllocatedStorage=5), "InvalidParameterCombination", "Invalid storage size"),
    ("create_db_instance", new(DBSubnetGroupName="none"), "DBSubnetGroupNotFoundFault", "none"),
    ("create_db_instance", new(DBParameterGroupName="none"), "DBParameterGroupNotFound", "none"),
    ("create_db_instance", new(DBParameterGroupName="refusing57"), "InvalidParameterCombination", "mysql8.0"),
    ("create_db_instance", new(OptionGroupName="refusing57"), "InvalidParameterCombination", "5.7"),
    ("create_db_instance", new(VpcSecurityGroupIds=["sg-0"]), "InvalidParameterValue", "sg-0"),
    (
        "create_db_instance",
        new(StorageEncrypted=True, DBInstanceClass="db.t2.micro"),
        "InvalidParameterCombination",
        "does not support encryption at rest",
    ),
    (
        "create_db_instance",
        new(StorageEncrypted=True, KmsKeyId=SECRET_KEY),
        "KMSKeyNotAccessibleFault",
        "KMS key",
    ),
    (
        "create_db_instance",
        new(StorageEncrypted=True, KmsKeyId="alias/no"),
        "KMSKeyNotAccessibleFault",
        "alias/no",
    ),
    (
        "create_db_instance",
        new(StorageEncrypted=True, KmsKeyId="alias/disabled"),
        "KMSKeyNotAccessibleFault",
        "enabled",
    ),
    (
        "create_db_instance_read_replica",
        {"DBInstanceIdentifier": "r", "SourceDBInstanceIdentifier": "no-backups"},
        "InvalidDBInstanceState",
        "Automated backups are not enabled",
    ),
    (
        "create_db_instance_read_replica",
        {"DBInstanceIdentifier": "r", "SourceDBInstanceIdentifier": "refusing", "KmsKeyId": "alias/aws/rds"},
        "InvalidParameterCombination",
        "You cannot create an encrypted Read Replica from an unencrypted DB instance.",
    ),
    (
        "modify_db_instance",
        {"DBInstanceIdentifier": "no-backups", "NewDBInstanceIdentifier": "refusing"},
        "DBInstanceAlreadyExists",
        "refusing",
    ),
    (
        "modify_db_instance",
        {"DBInstanceIdentifier": "refusing", "BackupRetentionPeriod": 0},
        "InvalidParameterCombination",
        "source of read replicas",
    ),
    (
        "modify_db_instance",
        {"DBInstanceIdentifier": "refusing", "AllocatedStorage": 10},
        "InvalidParameterCombination",
        "",
    ),
    (
        "modify_db_instance",
        {"DBInstanceIdentifier": "refusing", "MonitoringInterval": 60},
        "InvalidParameterCombination",
        "",
    ),
    ("stop_db_instance", {"DBInstanceIdentifier": "refusing"}, "InvalidDBInstanceState", "read replicas"),
    (
        "stop_db_instance",
        {"DBInstanceIdentifier": "refusing-replica"},
        "InvalidDBInstanceState",
        "Cannot stop or start a Read-Replica instance",
    ),
    ("start_db_instance", {"DBInstanceIdentifier": "refusing"}, "InvalidDBInstanceState", "available"),
    (
        "promote_read_replica",
        {"DBInstanceIdentifier": "refusing"},
        "InvalidDBInstanceState",
        "not a read replica",
    ),
    ("delete_db_instance", {"DBInstanceIdentifier": "no-backups"}, "InvalidParameterCombination", PROTECTED),
    (
        "delete_db_instance",
        {"DBInstanceIdentifier": "refusing"},
        "InvalidParameterCombination",
        "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
    ),
    (
        "delete_db_instance",
        {"DBInstanceIdentifier": "refusing", "SkipFinalSnapshot": True, "FinalDBSnapshotIdentifier": "f"},
        "InvalidParameterCombination",
        "cannot be specified",
    ),
    (
        "delete_db_instance",
        {"DBInstanceIdentifier": "refusing-replica", "FinalDBSnapshotIdentifier": "f"},
        "InvalidParameterCombination",
        "deleting a replica instance",
    ),
    (
        "create_db_snapshot",
        {"DBInstanceIdentifier": "refusing", "DBSnapshotIdentifier": "refusing"},
        "DBSnapshotAlreadyExists",
        "refusing",
    ),
    (
        "create_db_snapshot",
        {"DBInstanceIdentifier": "refusing", "DBSnapshotIdentifier": "rds:x"},
        "InvalidParameterValue",
        "",
    ),
    ("describe_db_snapshots", {"DBSnapshotIdentifier": "none"}, "DBSnapshotNotFound", "none"),
    (
        "copy_db_snapshot",
        {"SourceDBSnapshotIdentifier": "none", "TargetDBSnapshotIdentifier": "x"},
        "DBSnapshotNotFound",
        "none",
    ),
    (
        "copy_db_snapshot",
        {
            "SourceDBSnapshotIdentifier": "refusing",
            "TargetDBSnapshotIdentifier": "x",
            "KmsKeyId": "alias/disabled",
        },
        "KMSKeyNotAccessibleFault",
        "alias/disabled",
    ),
    (
        "modify_db_snapshot_attribute",
        {
            "DBSnapshotIdentifier": "refusing-encrypted",
            "AttributeName": "restore",
            "ValuesToAdd": ["210987654321"],
        },
        "InvalidParameterCombination",
        "default KMS key",
    ),
    (
        "restore_db_instance_from_db_snapshot",
        {"DBInstanceIdentifier": "x", "DBSnapshotIdentifier": "none"},
        "DBSnapshotNotFound",
        "none",
    ),
    (
        "restore_db_instance_from_db_snapshot",
        {
            "DBInstanceIdentifier": "x",
            "DBSnapshotIdentifier": "refusing-encrypted",
            "DBInstanceClass": "db.m1.small",
        },
        "InvalidParameterCombination",
        "encryption at rest",
    ),
    (
        "delete_db_parameter_group",
        {"DBParameterGroupName": "refusing"},
        "InvalidDBParameterGroupState",
        "still members",
    ),
    (
        "delete_db_parameter_group",
        {"DBParameterGroupName": "default.mysql8.0"},
        "InvalidDBParameterGroupState",
        "default",
    ),
    (
        "modify_db_parameter_group",
        {
            "DBParameterGroupName": "default.mysql8.0",
            "Parameters": [{"ParameterName": "read_only", "ParameterValue": "1", "ApplyMethod": "immediate"}],
        },
        "InvalidDBParameterGroupState",
        "cannot be modified",
    ),
    (
        "modify_db_parameter_group",
        {
            "DBParameterGroupName": "refusing",
            "Parameters": [
                {"ParameterName": "back_log", "ParameterValue": "100", "ApplyMethod": "immediate"}
            ],
        },
        "InvalidParameterCombination",
        "static parameter",
    ),
    (
        "modify_db_parameter_group",
        {
            "DBParameterGroupName": "refusing",
            "Parameters": [
                {"ParameterName": "read_only", "ParameterValue": "maybe", "ApplyMethod": "immediate"}
            ],
        },
        "InvalidParameterValue",
        "allowed values are",
    ),
    ("list_tags_for_resource", {"ResourceName": "orders"}, "InvalidParameterValue", "Invalid resource name"),
    (
        "create_blue_green_deployment",
        {"BlueGreenDeploymentName": "b", "Source": "arn:aws:rds:us-east-1:123456789012:db:refusing"},
        "InvalidAction",
        "CreateBlueGreenDeployment",
    ),
]


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "words"),
    REFUSALS,
    ids=[f"{n}-{r[0]}-{r[2]}" for n, r in enumerate(REFUSALS)],
)
def test_is_refused(
    sandbox: Sandbox, world: None, operation: str, parameters: dict[str, Any], code: str, words: str
) -> None:
    client = sandbox.client("rds")
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**parameters)
    assert refused.value.response["Error"]["Code"] == code
    assert words in refused.value.response["Error"]["Message"]


def test_quotas_are_refused_and_described(sandbox: Sandbox, world: None) -> None:
    rds = sandbox.client("rds")
    copies = {"SourceDBSnapshotIdentifier": "refusing", "TargetDBSnapshotIdentifier": "one-too-many"}
    for name, operation, parameters, code in (
        ("DBInstances", "create_db_instance", NEW, "InstanceQuotaExceeded"),
        ("SnapshotCopiesInProgress", "copy_db_snapshot", copies, "SnapshotQuotaExceeded"),
        ("ManualSnapshots", "copy_db_snapshot", copies, "SnapshotQuotaExceeded"),
    ):
        sandbox.faults.quota(name, 0)
        with pytest.raises(ClientError) as refused:
            getattr(rds, operation)(**parameters)
        assert refused.value.response["Error"]["Code"] == code
        sandbox.faults.quota(name, 100)
    quotas = {each["AccountQuotaName"]: each for each in rds.describe_account_attributes()["AccountQuotas"]}
    assert quotas["DBInstances"]["Used"] >= 3


def test_states_are_refused(sandbox: Sandbox) -> None:
    rds = sandbox.client("rds")
    begin(sandbox, "being-made")
    for operation, more in (
        ("modify_db_instance", {"BackupRetentionPeriod": 3}),
        ("reboot_db_instance", {}),
        ("stop_db_instance", {}),
        ("create_db_snapshot", {"DBSnapshotIdentifier": "too-early"}),
    ):
        with pytest.raises(ClientError) as refused:
            getattr(rds, operation)(DBInstanceIdentifier="being-made", **more)
        assert refused.value.response["Error"]["Code"] == "InvalidDBInstanceState", operation
    rds.delete_db_instance(DBInstanceIdentifier="being-made", SkipFinalSnapshot=True)
    with pytest.raises(ClientError) as refused:
        rds.delete_db_instance(DBInstanceIdentifier="being-made", SkipFinalSnapshot=True)
    assert "already being deleted" in str(refused.value)
