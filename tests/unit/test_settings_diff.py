"""Settings diff: everything that an owner can set is equal, whatever order AWS lists it in."""

from __future__ import annotations

from typing import Any

import pytest

from components.owner_settings import _PLAIN, owner_settings, storage_settings
from rds_encrypt.completion import _ARGUMENTS, RESTORED
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.settings_diff import ALLOWED, Difference, differences
from tests.unit.fakes import instance


def encrypted(**changes: Any) -> Any:
    return instance(
        "orders-encrypted",
        **{"StorageEncrypted": True, "KmsKeyId": "arn:key", "DbiResourceId": "db-E", **changes},
    )


def test_an_instance_that_differs_in_encryption_names_ids_and_times_is_like_the_source() -> None:
    assert differences(instance(), encrypted()) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DBInstanceClass", "db.t3.small"),
        ("MultiAZ", True),
        ("BackupRetentionPeriod", 1),
        ("DeletionProtection", True),
        ("MonitoringInterval", 60),
        ("CACertificateIdentifier", "rds-ca-2019"),
        ("Iops", 3000),
        ("VpcSecurityGroups", [{"VpcSecurityGroupId": "sg-2"}]),
        ("OptionGroupMemberships", [{"OptionGroupName": "default:mysql-8-0"}]),
        ("EnabledCloudwatchLogsExports", ["audit"]),
        ("ASettingThatAwsHasYetToInvent", 1),
    ],
)
def test_any_other_difference_is_one(setting: str, value: Any) -> None:
    assert [difference.setting for difference in differences(instance(), encrypted(**{setting: value}))] == [
        setting
    ]


def test_a_difference_is_told_with_both_values() -> None:
    assert str(Difference("MultiAZ", True, False)) == "MultiAZ is False instead of True"


def test_order_and_empty_values_do_not_matter() -> None:
    one = instance(EnabledCloudwatchLogsExports=["error", "slowquery"], Iops=None)
    other = encrypted(EnabledCloudwatchLogsExports=["slowquery", "error"], ActivityStreamMode="")
    assert differences(one, other) == []


def test_the_owners_tags_must_be_equal_and_ours_may_differ() -> None:
    source = instance(tags={"owner": "shop", **tags_for(Role.SOURCE, "db-S"), Tag.OWNER: "x/dev"})
    assert differences(source, encrypted(tags={"owner": "shop", **tags_for(Role.ENCRYPTED, "db-S")})) == []
    (difference,) = differences(source, encrypted(tags=tags_for(Role.ENCRYPTED, "db-S")))
    assert difference.setting == "TagList"


def test_what_the_declaration_and_the_completion_set_is_what_a_restored_instance_must_have() -> None:
    assert set(_PLAIN.values()) | _ARGUMENTS.keys() <= RESTORED
    assert not RESTORED & ALLOWED.keys()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("AwsBackupRecoveryPointArn", "arn:aws:backup:eu-west-1:1:recovery-point:continuous:db-S-1"),
        ("DBInstanceAutomatedBackupsReplications", [{"DBInstanceAutomatedBackupsArn": "arn:ab-1"}]),
    ],
)
def test_backups_beyond_rds_belong_to_the_source(setting: str, value: Any) -> None:
    assert differences(instance(**{setting: value}), encrypted()) == []


def test_every_allowed_difference_has_its_reason() -> None:
    assert all(reason and not reason.endswith(".") for reason in ALLOWED.values())


def test_what_protects_or_sizes_an_instance_is_never_an_allowed_difference() -> None:
    assert not ALLOWED.keys() & {
        "DBInstanceClass",
        "MultiAZ",
        "BackupRetentionPeriod",
        "DeletionProtection",
        "VpcSecurityGroups",
        "DBSubnetGroup",
        "PubliclyAccessible",
        "AllocatedStorage",
        "OptionGroupMemberships",
        "TagList",
        "IAMDatabaseAuthenticationEnabled",
    }


def test_owner_settings_hold_what_is_set_and_nothing_else() -> None:
    settings = owner_settings(
        instance(
            tags={"owner": "shop", Tag.OWNER: "x/dev"},
            MultiAZ=False,
            MonitoringRoleArn="",
            EnabledCloudwatchLogsExports=[],
            DeletionProtection=True,
        )
    )
    assert settings["tags"] == {"owner": "shop"}
    assert settings["multi_az"] is False
    assert settings["deletion_protection"] is True
    assert settings["vpc_security_group_ids"] == ["sg-1"]
    assert not settings.keys() & {
        "monitoring_role_arn",
        "enabled_cloudwatch_logs_exports",
        "parameter_group_name",
    }


@pytest.mark.parametrize(
    ("storage", "given"),
    [
        ({"StorageType": "gp3", "AllocatedStorage": 20, "Iops": 3000, "StorageThroughput": 125}, False),
        ({"StorageType": "gp3", "AllocatedStorage": 400, "Iops": 12000, "StorageThroughput": 500}, True),
        ({"StorageType": "io1", "AllocatedStorage": 100, "Iops": 1000}, True),
        ({"StorageType": "gp2", "AllocatedStorage": 1000, "Iops": 3000}, False),
    ],
)
def test_iops_are_given_only_where_rds_takes_them(storage: dict[str, Any], *, given: bool) -> None:
    settings = storage_settings(instance(**storage))
    assert settings["storage_type"] == storage["StorageType"]
    assert ("iops" in settings) is given


def test_the_growth_limit_of_the_storage_is_kept() -> None:
    assert storage_settings(instance(MaxAllocatedStorage=100))["max_allocated_storage"] == 100
