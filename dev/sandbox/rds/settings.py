"""The plain settings of an instance: what requests call them, what descriptions call them, when a change takes effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dev.sandbox.rds.registry import Parameters

__all__ = ["SETTINGS", "Setting", "changes", "from_request", "storage_defaults"]


@dataclass(frozen=True)
class Setting:
    """One setting that RDS keeps and gives back, and whose change may wait for the maintenance window."""

    name: str
    request: str
    default: Any = None
    deferred: bool = False


def _same(name: str, default: Any = None, *, deferred: bool = False) -> Setting:
    return Setting(name, name, default, deferred)


SETTINGS: tuple[Setting, ...] = (
    _same("DBInstanceClass", deferred=True),
    _same("AllocatedStorage", 20, deferred=True),
    _same("StorageType", "gp3", deferred=True),
    _same("Iops", deferred=True),
    _same("StorageThroughput", deferred=True),
    _same("MaxAllocatedStorage"),
    _same("DedicatedLogVolume", False, deferred=True),
    _same("MultiAZ", False, deferred=True),
    _same("AvailabilityZone"),
    _same("PreferredBackupWindow"),
    _same("PreferredMaintenanceWindow"),
    _same("BackupRetentionPeriod", 1, deferred=True),
    _same("BackupTarget", "region"),
    _same("AutoMinorVersionUpgrade", True),
    _same("LicenseModel", "general-public-license"),
    _same("PubliclyAccessible", False),
    _same("CopyTagsToSnapshot", False),
    _same("MonitoringInterval", 0),
    _same("MonitoringRoleArn"),
    _same("DatabaseInsightsMode", "standard"),
    _same("PerformanceInsightsKMSKeyId"),
    _same("PerformanceInsightsRetentionPeriod"),
    _same("DeletionProtection", False),
    _same("CACertificateIdentifier", "rds-ca-rsa2048-g1", deferred=True),
    _same("NetworkType", "IPV4", deferred=True),
    _same("EngineLifecycleSupport", "open-source-rds-extended-support"),
    _same("ProcessorFeatures", deferred=True),
    _same("PromotionTier"),
    Setting("IAMDatabaseAuthenticationEnabled", "EnableIAMDatabaseAuthentication", False),
    Setting("PerformanceInsightsEnabled", "EnablePerformanceInsights", False),
    Setting("EnabledCloudwatchLogsExports", "EnableCloudwatchLogsExports"),
    Setting("CustomerOwnedIpEnabled", "EnableCustomerOwnedIp", False),
)


def from_request(parameters: Parameters, inherited: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings of a new instance: the request's, else the inherited ones, else AWS's defaults."""
    known = inherited or {}
    values = {s.name: parameters.get(s.request, known.get(s.name, s.default)) for s in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


def changes(parameters: Parameters, current: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split what a Modify asks to change into the immediate and the deferrable settings."""
    asked = [s for s in SETTINGS if s.request in parameters and parameters[s.request] != current.get(s.name)]
    immediate = {s.name: parameters[s.request] for s in asked if not s.deferred}
    deferred = {s.name: parameters[s.request] for s in asked if s.deferred}
    return immediate, deferred


def storage_defaults(values: dict[str, Any]) -> None:
    """Fill in what gp3 gives without being asked."""
    if values["StorageType"] == "gp3":
        values.setdefault("Iops", 3000)
        values.setdefault("StorageThroughput", 125)
