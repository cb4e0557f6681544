"""Facts about what RDS refuses, and in which words. Each test names the source that its fact is known from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance.account import PASSWORD, Account, refusal_of

MANAGED_REPLICA = "Creating read replicas for source instance with engine mysql where ManageMasterUserPassword is enabled is not supported."
DISABLED = "open-source-rds-extended-support-disabled"


@pytest.fixture(scope="module")
def plain(account: Account) -> Iterator[dict[str, Any]]:
    """An instance without encryption, and a snapshot of it, both called `plain`."""
    made = account.make("plain")
    account.snapshot("plain", "plain")
    yield account.available(made["DbiResourceId"])
    account.delete("plain")
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="plain")


@pytest.fixture(scope="module")
def busy(account: Account) -> Iterator[None]:
    """An instance `busy` with a replica, a group and two snapshots, and one `bare` without backups: for requests to be refused about."""
    kms = account.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/disabled", TargetKeyId=key)
    kms.disable_key(KeyId=key)
    made = [
        account.begin("bare", BackupRetentionPeriod=0, DeletionProtection=True),
        account.begin("busy", DBParameterGroupName=account.group("busy")),
    ]
    account.available(made[1])
    made.append(account.replica("busy-replica", "busy"))
    account.snapshot("busy", "busy")
    account.copy("busy-encrypted", "busy", KmsKeyId="alias/aws/rds")
    for resource_id in made:
        account.available(resource_id)
    yield
    account.modify("bare", DeletionProtection=False)
    for name in ("busy-replica", "busy", "bare"):
        account.delete(name)


VALUE, COMBINATION, STATE = "InvalidParameterValue", "InvalidParameterCombination", "InvalidDBInstanceState"
NO_GROUP_CHANGE, NO_KEY = "InvalidDBParameterGroupState", "KMSKeyNotAccessibleFault"
SECRET_KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
ENCRYPTED_REPLICA = "You cannot create an encrypted Read Replica from an unencrypted DB instance."
PROTECTED = "Cannot delete protected DB Instance, please disable deletion protection and try again."
FINAL_WANTED = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
BLUE_GREEN = {"BlueGreenDeploymentName": "b", "Source": "arn:aws:rds:us-east-1:123456789012:db:busy"}


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"DBInstanceIdentifier": name, **more}


def new(name: str = "r", **more: Any) -> dict[str, Any]:
    asked = {"Engine": "mysql", "DBInstanceClass": "db.t3.medium", "AllocatedStorage": 20}
    return named(name, **asked, MasterUsername="admin", MasterUserPassword=PASSWORD, **more)


def encrypted(**more: Any) -> dict[str, Any]:
    return {**new(StorageEncrypted=True), **more}


def replica(of: str, **more: Any) -> dict[str, Any]:
    return named("r", SourceDBInstanceIdentifier=of, **more)


def copied(source: str, **more: Any) -> dict[str, Any]:
    return {"SourceDBSnapshotIdentifier": source, "TargetDBSnapshotIdentifier": "copy", **more}


def restored(snapshot: str, **more: Any) -> dict[str, Any]:
    return named("r", DBSnapshotIdentifier=snapshot, **more)


def parameter(group: str, name: str, value: str) -> dict[str, Any]:
    asked = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
    return {"DBParameterGroupName": group, "Parameters": [asked]}


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("describe_db_instances", {"MaxRecords": 5}, VALUE, "MaxRecords"),
    ("describe_db_instances", {"Filters": [{"Name": "color", "Values": ["red"]}]}, VALUE, "filter"),
    ("create_db_instance", new("busy"), "DBInstanceAlreadyExists", "already exists"),
    ("create_db_instance", new("Busy"), "DBInstanceAlreadyExists", "already exists"),
    ("create_db_instance", new("1st"), VALUE, "must begin with a letter"),
    ("create_db_instance", new("a--b"), VALUE, "two consecutive hyphens"),
    ("create_db_instance", new("a-"), VALUE, "end with a hyphen"),
    ("create_db_instance", new("a" * 64), VALUE, "identifier"),
    ("create_db_instance", {**new(), "DBInstanceClass": "t3.medium"}, VALUE, "Invalid DB Instance class"),
    ("create_db_instance", new(EngineVersion="8.0.99"), COMBINATION, "Cannot find version"),
    ("create_db_instance", new(DBSubnetGroupName="none"), "DBSubnetGroupNotFoundFault", "none"),
    ("create_db_instance", new(DBParameterGroupName="none"), "DBParameterGroupNotFound", "none"),
    ("create_db_instance", new(OptionGroupName="default:mysql-5-7"), COMBINATION, "5.7"),
    ("create_db_instance", new(VpcSecurityGroupIds=["sg-0"]), VALUE, "sg-0"),
    ("create_db_instance", encrypted(DBInstanceClass="db.t2.micro"), COMBINATION, "encryption at rest"),
    ("create_db_instance", encrypted(KmsKeyId=SECRET_KEY), NO_KEY, "KMS key"),
    ("create_db_instance", encrypted(KmsKeyId="alias/no"), NO_KEY, "alias/no"),
    ("create_db_instance", encrypted(KmsKeyId="alias/disabled"), NO_KEY, "not enabled"),
    ("create_db_instance_read_replica", replica("bare"), STATE, "Automated backups are not enabled"),
    (
        "create_db_instance_read_replica",
        replica("busy", KmsKeyId="alias/aws/rds"),
        COMBINATION,
        ENCRYPTED_REPLICA,
    ),
    ("modify_db_instance", named("bare", NewDBInstanceIdentifier="busy"), "DBInstanceAlreadyExists", "busy"),
    ("modify_db_instance", named("busy", BackupRetentionPeriod=0), COMBINATION, "source of read replicas"),
    ("modify_db_instance", named("busy", MonitoringInterval=60), COMBINATION, "MonitoringRoleARN"),
    ("stop_db_instance", named("busy"), STATE, "read replicas"),
    ("start_db_instance", named("busy"), STATE, "available"),
    ("promote_read_replica", named("busy"), STATE, "not a read replica"),
    ("delete_db_instance", named("bare"), COMBINATION, PROTECTED),
    ("delete_db_instance", named("busy"), COMBINATION, FINAL_WANTED),
    (
        "delete_db_instance",
        named("busy", SkipFinalSnapshot=True, FinalDBSnapshotIdentifier="f"),
        COMBINATION,
        "cannot be specified",
    ),
    (
        "delete_db_instance",
        named("busy-replica", FinalDBSnapshotIdentifier="f"),
        COMBINATION,
        "a replica instance",
    ),
    ("create_db_snapshot", named("busy", DBSnapshotIdentifier="busy"), "DBSnapshotAlreadyExists", "busy"),
    ("create_db_snapshot", named("busy", DBSnapshotIdentifier="rds:x"), VALUE, ""),
    ("describe_db_snapshots", {"DBSnapshotIdentifier": "none"}, "DBSnapshotNotFound", "none"),
    ("copy_db_snapshot", copied("none"), "DBSnapshotNotFound", "none"),
    (
        "copy_db_snapshot",
        copied("busy", KmsKeyId="alias/disabled"),
        NO_KEY,
        "[alias/disabled] does not exist",
    ),
    ("restore_db_instance_from_db_snapshot", restored("none"), "DBSnapshotNotFound", "none"),
    (
        "restore_db_instance_from_db_snapshot",
        restored("busy-encrypted", DBInstanceClass="db.m1.small"),
        COMBINATION,
        "encryption at rest",
    ),
    ("delete_db_parameter_group", {"DBParameterGroupName": "busy"}, NO_GROUP_CHANGE, "still members"),
    ("delete_db_parameter_group", {"DBParameterGroupName": "default.mysql8.0"}, NO_GROUP_CHANGE, "default"),
    (
        "modify_db_parameter_group",
        parameter("default.mysql8.0", "read_only", "1"),
        NO_GROUP_CHANGE,
        "modified",
    ),
    ("modify_db_parameter_group", parameter("busy", "back_log", "100"), COMBINATION, "static parameter"),
    ("modify_db_parameter_group", parameter("busy", "read_only", "maybe"), VALUE, "allowed values are"),
    ("list_tags_for_resource", {"ResourceName": "orders"}, VALUE, "Invalid resource name"),
    ("create_blue_green_deployment", BLUE_GREEN, "InvalidAction", "CreateBlueGreenDeployment"),
]


@pytest.mark.parametrize(("operation", "parameters", "code", "words"), REFUSALS)
def test_is_refused(
    account: Account, busy: None, operation: str, parameters: dict[str, Any], code: str, words: str
) -> None:
    """Reports of real accounts, or AWS's documentation of the error; an encrypted replica is why the migration copies a snapshot."""
    refused = refusal_of(lambda: getattr(account.rds, operation)(**parameters))
    assert (refused[0], words in refused[1]) == (code, True), refused


def test_states_are_refused(account: Account) -> None:
    """ "Viewing DB instance status": what is created or deleted takes no requests. The text about a second deletion: reports."""
    for what in ("create", "delete"):
        account.provoke.duration(what, 3)  # long enough for the requests on a busy machine
    account.begin("being-made", BackupRetentionPeriod=0)
    for operation, more in (
        ("modify_db_instance", {"BackupRetentionPeriod": 3}),
        ("reboot_db_instance", {}),
        ("stop_db_instance", {}),
        ("create_db_snapshot", {"DBSnapshotIdentifier": "too-early"}),
    ):
        call = getattr(account.rds, operation)
        assert refusal_of(lambda call=call, more=more: call(**named("being-made", **more)))[0] == STATE  # type: ignore[misc]
    account.delete("being-made")
    assert refusal_of(lambda: account.delete("being-made")) == (
        STATE,
        "Instance being-made is already being deleted.",
    )


def test_quotas(account: Account, plain: dict[str, Any]) -> None:
    """ "Quotas and constraints for Amazon RDS", and reports of real accounts."""
    snapshot = named("plain", DBSnapshotIdentifier="more")
    for name, operation, parameters, code in (
        ("DBInstances", "create_db_instance", new(), "InstanceQuotaExceeded"),
        ("SnapshotCopiesInProgress", "copy_db_snapshot", copied("plain"), "SnapshotQuotaExceeded"),
        ("ManualSnapshots", "create_db_snapshot", snapshot, "SnapshotQuotaExceeded"),
    ):
        account.provoke.quota(name, 1 if name == "ManualSnapshots" else 0)
        call = getattr(account.rds, operation)
        refused = refusal_of(lambda call=call, parameters=parameters: call(**parameters))  # type: ignore[misc]
        account.provoke.quota(name, 100)
        assert refused[0] == code
        assert name != "ManualSnapshots" or refused[1] == "Cannot create more than 1 manual snapshots"
    quotas = {
        q["AccountQuotaName"]: q["Used"] for q in account.rds.describe_account_attributes()["AccountQuotas"]
    }
    assert quotas["DBInstances"] >= 1


def test_tags(account: Account, plain: dict[str, Any]) -> None:
    """ "Tagging Amazon RDS resources" in the guide: 50 tags a resource, and prefixes that are AWS's."""
    arn = plain["DBInstanceArn"]

    def tag(tags: dict[str, str]) -> Callable[[], object]:
        given = [{"Key": key, "Value": value} for key, value in tags.items()]
        return lambda: account.rds.add_tags_to_resource(ResourceName=arn, Tags=given)

    code, message = refusal_of(tag({"aws:mine": "x"}))
    assert (code, message.startswith("Tag keys cannot start with the reserved prefix")) == (
        "InvalidParameterValue",
        True,
    )
    tag({f"key-{number}": "x" for number in range(50)})()
    assert refusal_of(tag({"one": "more"}))[0] == "InvalidParameterValue"
    tag({"key-1": "another value"})()


def test_a_managed_master_password(account: Account, plain: dict[str, Any]) -> None:
    """botocore's texts, terraform-provider-aws #31509: no replicas; a restore can't ask for it, and keeps the snapshot's password."""
    assert "MasterUserSecret" not in plain
    account.modify("plain", ManageMasterUserPassword=True)
    managed = account.available(plain["DbiResourceId"])
    secret = managed["MasterUserSecret"]["SecretArn"]
    assert secret.split(":")[6].startswith("rds!db-")
    refused = refusal_of(
        lambda: account.rds.create_db_instance_read_replica(
            DBInstanceIdentifier="r", SourceDBInstanceIdentifier="plain"
        )
    )
    assert refused == ("InvalidParameterValue", MANAGED_REPLICA)
    assert refusal_of(lambda: account.restore("r", "plain", ManageMasterUserPassword=True))[0] == (
        "InvalidParameterCombination"
    )
    assert refusal_of(lambda: account.modify("plain", MasterUserPassword=PASSWORD))[0] == (
        "InvalidParameterCombination"
    )
    content = account.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    assert '"username": "admin"' in content
    account.available(plain["DbiResourceId"])
    account.modify("plain", ManageMasterUserPassword=False, MasterUserPassword=PASSWORD)
    assert "MasterUserSecret" not in account.available(plain["DbiResourceId"])


def test_extended_support(account: Account, plain: dict[str, Any]) -> None:
    """botocore's texts of EngineLifecycleSupport; "Amazon RDS Extended Support": 5.7 until 2024-02-29, 8.0 until 2026-07-31.

    CreateDBInstance fails past the end of standard support. A restore would be upgraded to a higher version, which a group of the
    snapshot's family can't go along with: the sandbox, which has no higher version, refuses it.
    """
    assert plain["EngineLifecycleSupport"] == "open-source-rds-extended-support"
    for version in ("5.7", "8.0"):
        refused = refusal_of(
            lambda version=version: account.begin("r", EngineVersion=version, EngineLifecycleSupport=DISABLED)  # type: ignore[misc]
        )
        assert refused[0] == "InvalidParameterCombination"
        assert "end of standard support" in refused[1]
    assert refusal_of(lambda: account.restore("r", "plain", EngineLifecycleSupport=DISABLED))[0] == (
        "InvalidParameterCombination"
    )


def test_a_group_of_another_family(account: Account, plain: dict[str, Any]) -> None:
    """A restore starts with a group of its version's family, and no other: AWS's documentation of DBParameterGroupName."""
    for family in ("mysql5.7", "mysql8.4"):
        group = {"DBParameterGroupName": f"default.{family}"}
        for call in (
            lambda group=group: account.restore("r", "plain", **group),
            lambda group=group: account.begin("r", **group),
        ):
            code, message = refusal_of(call)
            assert code == "InvalidParameterCombination"
            assert "mysql8.0" in message


def test_how_storage_is_encrypted(account: Account, plain: dict[str, Any]) -> None:
    """botocore's text of StorageEncryptionType; what StorageEncrypted says beside `sse-rds` is guessed, so both are possible."""
    assert (plain["StorageEncrypted"], plain["StorageEncryptionType"]) == (False, "none")
    account.copy("plain-kms", "plain", KmsKeyId="alias/aws/rds")
    copy = account.see_snapshot("plain-kms")
    assert (copy["Encrypted"], copy["StorageEncryptionType"], copy["PercentProgress"]) == (
        True,
        "sse-kms",
        100,
    )
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="plain-kms")
    for shown in (True, False):
        account.provoke.owned_key("plain", shown=shown)
        description = account.see(plain["DbiResourceId"])
        assert (description["StorageEncrypted"], description["StorageEncryptionType"]) == (shown, "sse-rds")
        assert "KmsKeyId" not in description


def test_events_of_snapshots(account: Account, plain: dict[str, Any]) -> None:
    """Events 0042, 0196, 0197 and 0041 in "Amazon RDS event categories and event messages"; they are not guaranteed."""
    account.copy("told", "plain")
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="told")
    started, finished, deleted = account.messages("told")
    assert started.startswith("Started copy of snapshot")
    assert finished.startswith("Finished copy of snapshot")
    assert deleted == "Deleted user snapshot"
    assert "Manual snapshot created" in account.messages("plain")


def test_one_call_about_one_instance_can_be_refused_for_good(account: Account, plain: dict[str, Any]) -> None:
    """Not a fact of RDS, but how tests of other facts make one: by its identity, whatever the instance is called."""
    arn = plain["DBInstanceArn"]
    account.provoke.refuse(
        "AccessDenied",
        "no",
        action="AddTagsToResource",
        count=10**9,
        instance=plain["DbiResourceId"],
        status=403,
    )
    tags = {"Tags": [{"Key": "key-1", "Value": "x"}]}
    for _ in range(3):
        refused = refusal_of(lambda: account.rds.add_tags_to_resource(ResourceName=arn, **tags))
        assert refused == ("AccessDenied", "no")
    account.rds.add_tags_to_resource(ResourceName=account.see_snapshot("plain")["DBSnapshotArn"], **tags)
