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
    made = account.available(account.begin("plain"))
    account.rds.create_db_snapshot(DBInstanceIdentifier="plain", DBSnapshotIdentifier="plain")
    account.rds.get_waiter("db_snapshot_available").wait(
        DBSnapshotIdentifier="plain", WaiterConfig={"Delay": 1}
    )
    yield account.available(made["DbiResourceId"])
    account.delete("plain")
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="plain")


def test_an_encrypted_replica_of_a_plain_source(account: Account, plain: dict[str, Any]) -> None:
    """Reports of real accounts; the refusal is why the migration needs a copy of a snapshot."""
    refused = refusal_of(
        lambda: account.rds.create_db_instance_read_replica(
            DBInstanceIdentifier="r", SourceDBInstanceIdentifier="plain", KmsKeyId="alias/aws/rds"
        )
    )
    assert refused == (
        "InvalidParameterCombination",
        "You cannot create an encrypted Read Replica from an unencrypted DB instance.",
    )


def test_a_key_that_cannot_be_used(account: Account, plain: dict[str, Any]) -> None:
    """Reports of real accounts."""
    code, message = refusal_of(
        lambda: account.rds.copy_db_snapshot(
            SourceDBSnapshotIdentifier="plain", TargetDBSnapshotIdentifier="copy", KmsKeyId="alias/nothing"
        )
    )
    assert code == "KMSKeyNotAccessibleFault"
    assert message == (
        "Specified KMS key [alias/nothing] does not exist, is not enabled or you do not have permissions to access it."
    )


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


def test_the_hundred_and_first_manual_snapshot(account: Account, plain: dict[str, Any]) -> None:
    """ "Quotas and constraints for Amazon RDS", and reports of real accounts."""
    account.provoke.quota("ManualSnapshots", 1)
    refused = refusal_of(
        lambda: account.rds.create_db_snapshot(DBInstanceIdentifier="plain", DBSnapshotIdentifier="more")
    )
    account.provoke.quota("ManualSnapshots", 100)
    assert refused == ("SnapshotQuotaExceeded", "Cannot create more than 1 manual snapshots")


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
    account.rds.copy_db_snapshot(
        SourceDBSnapshotIdentifier="plain", TargetDBSnapshotIdentifier="plain-kms", KmsKeyId="alias/aws/rds"
    )
    copies = account.rds.describe_db_snapshots(DBSnapshotIdentifier="plain-kms")["DBSnapshots"]
    assert (copies[0]["Encrypted"], copies[0]["StorageEncryptionType"]) == (True, "sse-kms")
    account.rds.get_waiter("db_snapshot_available").wait(
        DBSnapshotIdentifier="plain-kms", WaiterConfig={"Delay": 1}
    )
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="plain-kms")
    for shown in (True, False):
        account.provoke.owned_key("plain", shown=shown)
        seen = account.see(plain["DbiResourceId"])
        assert (seen["StorageEncrypted"], seen["StorageEncryptionType"]) == (shown, "sse-rds")
        assert "KmsKeyId" not in seen


def test_an_instance_that_is_being_deleted(account: Account) -> None:
    """Reports of real accounts."""
    account.begin("leaving", BackupRetentionPeriod=0)
    account.delete("leaving")
    assert refusal_of(lambda: account.delete("leaving")) == (
        "InvalidDBInstanceState",
        "Instance leaving is already being deleted.",
    )


def test_events_of_snapshots(account: Account, plain: dict[str, Any]) -> None:
    """Events 0042, 0196, 0197 and 0041 in "Amazon RDS event categories and event messages"; they are not guaranteed."""
    account.rds.copy_db_snapshot(SourceDBSnapshotIdentifier="plain", TargetDBSnapshotIdentifier="told")
    account.rds.get_waiter("db_snapshot_available").wait(
        DBSnapshotIdentifier="told", WaiterConfig={"Delay": 1}
    )
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
    snapshot = account.rds.describe_db_snapshots(DBSnapshotIdentifier="plain")["DBSnapshots"][0]
    account.rds.add_tags_to_resource(ResourceName=snapshot["DBSnapshotArn"], **tags)
