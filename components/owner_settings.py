"""A source's settings as arguments for pulumi-aws: those that the encrypted instance must share."""

from __future__ import annotations

from typing import Any

from rds_encrypt.aws.instance import Instance
from rds_encrypt.journal import owner_tags

__all__ = ["owner_settings", "storage_settings"]

_GP3_THRESHOLD_GIB = 400
"""Below this, RDS for MySQL refuses IOPS and throughput on gp3 ("Amazon RDS DB instance storage", RDS User Guide)."""

# pulumi-aws argument → key of DescribeDBInstances; copied as they are, where the source has them.
_PLAIN = {
    "instance_class": "DBInstanceClass",
    "multi_az": "MultiAZ",
    "publicly_accessible": "PubliclyAccessible",
    "backup_retention_period": "BackupRetentionPeriod",
    "backup_window": "PreferredBackupWindow",
    "backup_target": "BackupTarget",
    "maintenance_window": "PreferredMaintenanceWindow",
    "auto_minor_version_upgrade": "AutoMinorVersionUpgrade",
    "copy_tags_to_snapshot": "CopyTagsToSnapshot",
    "deletion_protection": "DeletionProtection",
    "iam_database_authentication_enabled": "IAMDatabaseAuthenticationEnabled",
    "monitoring_interval": "MonitoringInterval",
    "monitoring_role_arn": "MonitoringRoleArn",
    "performance_insights_enabled": "PerformanceInsightsEnabled",
    "performance_insights_kms_key_id": "PerformanceInsightsKMSKeyId",
    "performance_insights_retention_period": "PerformanceInsightsRetentionPeriod",
    "database_insights_mode": "DatabaseInsightsMode",
    "enabled_cloudwatch_logs_exports": "EnabledCloudwatchLogsExports",
    "ca_cert_identifier": "CACertificateIdentifier",
    "license_model": "LicenseModel",
    "network_type": "NetworkType",
    "dedicated_log_volume": "DedicatedLogVolume",
    "engine_lifecycle_support": "EngineLifecycleSupport",
}


def owner_settings(source: Instance, encrypted: Instance | None = None) -> dict[str, Any]:
    """Return everything that the source's owner set and a restore can apply.

    RDS never shrinks storage: an encrypted instance that has more than the source keeps it.
    """
    description = source.description
    settings = {
        argument: description[key]
        for argument, key in _PLAIN.items()
        if description.get(key) not in (None, "", [])
    }
    settings |= storage_settings(source)
    settings["allocated_storage"] = max(
        instance.allocated_gib for instance in (source, encrypted) if instance is not None
    )
    settings["port"] = source.port
    settings["db_subnet_group_name"] = (description.get("DBSubnetGroup") or {}).get("DBSubnetGroupName")
    settings["vpc_security_group_ids"] = sorted(
        group["VpcSecurityGroupId"] for group in description["VpcSecurityGroups"]
    )
    settings["option_group_name"] = description["OptionGroupMemberships"][0]["OptionGroupName"]
    settings["tags"] = owner_tags(source.tags)
    return settings


def storage_settings(source: Instance) -> dict[str, Any]:
    """Return type, growth limit, IOPS and throughput of the storage, where RDS accepts them."""
    description = source.description
    kind = description.get("StorageType")
    settings: dict[str, Any] = {"storage_type": kind}
    if limit := description.get("MaxAllocatedStorage"):
        settings["max_allocated_storage"] = limit
    if kind in {"io1", "io2"} or (kind == "gp3" and description["AllocatedStorage"] >= _GP3_THRESHOLD_GIB):
        settings |= {
            argument: description[key]
            for argument, key in (("iops", "Iops"), ("storage_throughput", "StorageThroughput"))
            if description.get(key)
        }
    return settings
