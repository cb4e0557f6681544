"""What DescribeDBInstances says of an instance, under the names of `aws:rds/instance:Instance`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["readings"]


def readings(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Read what DescribeDBInstances tells; None where it leaves something out."""
    endpoint = instance.get("Endpoint") or {}
    address, port = endpoint.get("Address"), endpoint.get("Port")
    domain: Mapping[str, Any] = next(iter(instance.get("DomainMemberships") or ()), {})
    secret = instance.get("MasterUserSecret")
    restorable = instance.get("LatestRestorableTime")
    listener = instance.get("ListenerEndpoint")
    return {
        "address": address,
        "allocatedStorage": instance.get("AllocatedStorage"),
        "arn": instance.get("DBInstanceArn"),
        "autoMinorVersionUpgrade": instance.get("AutoMinorVersionUpgrade"),
        "availabilityZone": instance.get("AvailabilityZone"),
        "backupRetentionPeriod": instance.get("BackupRetentionPeriod"),
        "backupTarget": instance.get("BackupTarget"),
        "backupWindow": instance.get("PreferredBackupWindow"),
        "caCertIdentifier": instance.get("CACertificateIdentifier"),
        "characterSetName": instance.get("CharacterSetName"),
        "copyTagsToSnapshot": instance.get("CopyTagsToSnapshot"),
        "customIamInstanceProfile": instance.get("CustomIamInstanceProfile"),
        "customerOwnedIpEnabled": instance.get("CustomerOwnedIpEnabled"),
        "databaseInsightsMode": instance.get("DatabaseInsightsMode"),
        "dbName": instance.get("DBName"),
        "dbSubnetGroupName": (instance.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "dedicatedLogVolume": instance.get("DedicatedLogVolume"),
        "deletionProtection": instance.get("DeletionProtection"),
        "domain": domain.get("Domain"),
        "domainAuthSecretArn": domain.get("AuthSecretArn"),
        "domainDnsIps": domain.get("DnsIps"),
        "domainFqdn": domain.get("FQDN"),
        "domainIamRoleName": domain.get("IAMRoleName"),
        "domainOu": domain.get("OU"),
        "enabledCloudwatchLogsExports": sorted(instance.get("EnabledCloudwatchLogsExports") or ()),
        "endpoint": f"{address}:{port}" if address and port else None,
        "engine": instance.get("Engine"),
        "engineLifecycleSupport": instance.get("EngineLifecycleSupport"),
        "engineVersion": instance.get("EngineVersion"),
        "engineVersionActual": instance.get("EngineVersion"),
        "hostedZoneId": endpoint.get("HostedZoneId"),
        "iamDatabaseAuthenticationEnabled": instance.get("IAMDatabaseAuthenticationEnabled"),
        "identifier": instance.get("DBInstanceIdentifier"),
        "identifierPrefix": _prefix_of(instance.get("DBInstanceIdentifier") or ""),
        "instanceClass": instance.get("DBInstanceClass"),
        "iops": instance.get("Iops"),
        "kmsKeyId": instance.get("KmsKeyId"),
        "latestRestorableTime": _timestamp(restorable),
        "licenseModel": instance.get("LicenseModel"),
        "listenerEndpoints": [_listener(listener)] if listener else [],
        "maintenanceWindow": instance.get("PreferredMaintenanceWindow"),
        "masterUserSecrets": [_secret(secret)] if secret else [],
        "maxAllocatedStorage": instance.get("MaxAllocatedStorage"),
        "monitoringInterval": instance.get("MonitoringInterval"),
        "monitoringRoleArn": instance.get("MonitoringRoleArn"),
        "multiAz": instance.get("MultiAZ"),
        "ncharCharacterSetName": instance.get("NcharCharacterSetName"),
        "networkType": instance.get("NetworkType"),
        "optionGroupName": _first(instance, "OptionGroupMemberships", "OptionGroupName"),
        "parameterGroupName": _first(instance, "DBParameterGroups", "DBParameterGroupName"),
        "performanceInsightsEnabled": instance.get("PerformanceInsightsEnabled"),
        "performanceInsightsKmsKeyId": instance.get("PerformanceInsightsKMSKeyId"),
        "performanceInsightsRetentionPeriod": instance.get("PerformanceInsightsRetentionPeriod"),
        "port": port or instance.get("DbInstancePort"),
        "publiclyAccessible": instance.get("PubliclyAccessible"),
        "replicaMode": instance.get("ReplicaMode"),
        "replicas": list(instance.get("ReadReplicaDBInstanceIdentifiers") or ()),
        "replicateSourceDb": instance.get("ReadReplicaSourceDBInstanceIdentifier"),
        "resourceId": instance.get("DbiResourceId"),
        "status": instance.get("DBInstanceStatus"),
        "storageEncrypted": instance.get("StorageEncrypted"),
        "storageThroughput": instance.get("StorageThroughput"),
        "storageType": instance.get("StorageType"),
        "timezone": instance.get("Timezone"),
        "upgradeRolloutOrder": instance.get("UpgradeRolloutOrder"),
        "username": instance.get("MasterUsername"),
        "vpcSecurityGroupIds": sorted(
            group["VpcSecurityGroupId"] for group in instance.get("VpcSecurityGroups") or ()
        ),
    }


def _prefix_of(name: str) -> str | None:
    """Give the prefix of a name that was made up, as `_made_up_name` and the real provider do."""
    match = re.fullmatch(r"(.*?)\d{18,20}[0-9a-f]{8}", name)
    return match.group(1) if match else None


def _first(instance: Mapping[str, Any], group: str, key: str) -> str | None:
    members = instance.get(group) or ()
    return members[0].get(key) if members else None


def _timestamp(value: datetime | None) -> str | None:
    return None if value is None else f"{value:%Y-%m-%dT%H:%M:%SZ}"


def _listener(listener: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": listener.get("Address", ""),
        "hostedZoneId": listener.get("HostedZoneId", ""),
        "port": listener.get("Port", 0),
    }


def _secret(secret: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kmsKeyId": secret.get("KmsKeyId", ""),
        "secretArn": secret.get("SecretArn", ""),
        "secretStatus": secret.get("SecretStatus", ""),
    }
