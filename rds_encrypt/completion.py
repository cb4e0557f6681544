"""Completes the settings of an encrypted instance that a killed run left behind.

RDS accepts some settings, such as the days of backups, only after a restore, and a run killed in between never applies them. Pulumi
imports such an instance as it is, and compares it with the declared one only at the next run; so they are applied here.
"""

from __future__ import annotations

from collections.abc import Mapping

from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.waiting import Progress
from rds_encrypt.settings_diff import differences

__all__ = ["RESTORED", "complete"]

_PATIENCE = 24 * 3600.0

# Name in DescribeDBInstances → name in ModifyDBInstance.
_ARGUMENTS: Mapping[str, str] = {
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod": "BackupRetentionPeriod",
    "CACertificateIdentifier": "CACertificateIdentifier",
    "CopyTagsToSnapshot": "CopyTagsToSnapshot",
    "DBInstanceClass": "DBInstanceClass",
    "DatabaseInsightsMode": "DatabaseInsightsMode",
    "DeletionProtection": "DeletionProtection",
    "IAMDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "Iops": "Iops",
    "MaxAllocatedStorage": "MaxAllocatedStorage",
    "MonitoringInterval": "MonitoringInterval",
    "MonitoringRoleArn": "MonitoringRoleArn",
    "MultiAZ": "MultiAZ",
    "PerformanceInsightsEnabled": "EnablePerformanceInsights",
    "PerformanceInsightsKMSKeyId": "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "PreferredBackupWindow": "PreferredBackupWindow",
    "PreferredMaintenanceWindow": "PreferredMaintenanceWindow",
    "StorageThroughput": "StorageThroughput",
    "StorageType": "StorageType",
}
RESTORED = _ARGUMENTS.keys() | {
    "BackupTarget",
    "DBSubnetGroup",
    "DedicatedLogVolume",
    "EnabledCloudwatchLogsExports",
    "EngineLifecycleSupport",
    "EngineVersion",
    "LicenseModel",
    "MasterUsername",
    "NetworkType",
    "OptionGroupMemberships",
    "PubliclyAccessible",
    "TagList",
    "VpcSecurityGroups",
}
"""Settings that the restore, or rds-encrypt after it, gives the encrypted instance. Any other that differs is one that rds-encrypt does
not know, perhaps one that AWS has invented since: only the owner can tell what it means."""
_TOGETHER = (
    {"MonitoringInterval", "MonitoringRoleArn"},
    {"PerformanceInsightsEnabled", "PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod"},
    {"StorageType", "Iops", "StorageThroughput"},
)
"""Settings that ModifyDBInstance takes only together."""


def complete(instances: Instances, source: Instance, encrypted: Instance, progress: Progress) -> Instance:
    """Apply the source's settings that the encrypted instance lacks; return the instance with them.

    Raises:
        TimedOut: RDS did not apply them.
    """
    lacking = _lacking(source, encrypted)
    if not lacking:
        return encrypted
    settings = lacking.union(*(group for group in _TOGETHER if group & lacking))
    changes = {
        _ARGUMENTS[setting]: source.description[setting]
        for setting in sorted(settings)
        if source.description.get(setting) not in (None, "", [])
    }
    instances.modify(encrypted.resource_id, **changes)
    return instances.wait(
        encrypted.resource_id,
        f"have the source's {', '.join(sorted(lacking))}",
        # Just after the call the status is still `available`, so check the settings.
        lambda instance: instance.available and not _lacking(source, instance),
        deadline=_PATIENCE,
        progress=progress,
    )


def _lacking(source: Instance, encrypted: Instance) -> set[str]:
    """Return the settings that differ and have a value on the source."""
    return {
        difference.setting
        for difference in differences(source, encrypted)
        if difference.setting in _ARGUMENTS and difference.source not in (None, "", [])
    }
