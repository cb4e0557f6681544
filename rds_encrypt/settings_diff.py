"""Compares all settings that an owner can set between the encrypted instance and the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rds_encrypt.aws.instance import Instance
from rds_encrypt.journal import owner_tags

__all__ = ["ALLOWED", "Difference", "differences"]

ALLOWED: Mapping[str, str] = {
    "DBInstanceIdentifier": "the name",
    "DbiResourceId": "the identity",
    "DBInstanceArn": "contains the name",
    "Endpoint": "follows the name",
    "InstanceCreateTime": "a time",
    "LatestRestorableTime": "a time",
    "StorageEncrypted": "the purpose of the migration",
    "StorageEncryptionType": "the purpose of the migration",
    "KmsKeyId": "the purpose of the migration",
    "DBInstanceStatus": "a moment's state",
    "StatusInfos": "a moment's state",
    "PendingModifiedValues": "a moment's state",
    "AvailabilityZone": "RDS places the instance within the same subnet group",
    "SecondaryAvailabilityZone": "RDS places the standby within the same subnet group",
    "ReadReplicaDBInstanceIdentifiers": "replicas belong to the source",
    "ReadReplicaDBClusterIdentifiers": "replicas belong to the source",
    "DBParameterGroups": "a clone of the source's that keeps it read-only until the cutover",
    "EnhancedMonitoringResourceArn": "contains the identity",
    "CertificateDetails": "a time; the authority is compared as CACertificateIdentifier",
    "StorageOperationStatus": "a moment's state",
    "StorageOperationPercentProgress": "a moment's state",
    "IsStorageConfigUpgradeAvailable": "a moment's state",
    "ActivityStreamStatus": "a moment's state",
    "MasterUserSecret": "RDS manages the master password of the source; a restore from a snapshot cannot request that",
    "AssociatedRoles": "checked before the start: a restore cannot set roles",
    "AwsBackupRecoveryPointArn": "contains the identity",
    "DBInstanceAutomatedBackupsReplications": "copies of the source's backups in another region",
    "StorageVolumeStatus": "a moment's state",
    "PercentProgress": "a moment's state",
    "AutomaticRestartTime": "a moment's state",
    "DBCapacityReservationIdentifier": "RDS places the instance",
    "UpgradeRolloutOrder": "AWS Organizations sets it",
}
"""Settings that may differ between the two descriptions, and why; all others must be equal."""


@dataclass(frozen=True)
class Difference:
    """One setting that differs between the two instances."""

    setting: str
    source: Any
    encrypted: Any

    def __str__(self) -> str:
        return f"{self.setting} is {self.encrypted!r} instead of {self.source!r}"


def differences(source: Instance, encrypted: Instance) -> list[Difference]:
    """Return the settings in which the encrypted instance differs from the source, except ``ALLOWED``."""
    ours, theirs = _comparable(source), _comparable(encrypted)
    return [
        Difference(setting, ours.get(setting), theirs.get(setting))
        for setting in sorted(ours.keys() | theirs.keys())
        if setting not in ALLOWED
        and ours.get(setting) != theirs.get(setting)
        and not _grown(setting, ours, theirs)
    ]


def _grown(setting: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether the encrypted instance has more storage than the source: RDS only ever enlarges it."""
    return setting == "AllocatedStorage" and theirs.get(setting, 0) > ours.get(setting, 0)


def _comparable(instance: Instance) -> dict[str, Any]:
    settings = {
        key: _unordered(value) for key, value in instance.description.items() if value not in (None, [], "")
    }
    settings["TagList"] = owner_tags(instance.tags)
    settings["OptionGroupMemberships"] = sorted(
        group["OptionGroupName"] for group in instance.description.get("OptionGroupMemberships", [])
    )
    settings["VpcSecurityGroups"] = sorted(
        group["VpcSecurityGroupId"] for group in instance.description.get("VpcSecurityGroups", [])
    )
    return settings


def _unordered(value: Any) -> Any:
    return (
        sorted(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
    )
