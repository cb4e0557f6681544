"""What DescribeDBInstances says of an instance, under the names of `aws:rds/instance:Instance`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["readings"]


def readings(found: Mapping[str, Any]) -> dict[str, Any]:
    """Read what DescribeDBInstances tells; None where it leaves something out."""
    endpoint = found.get("Endpoint") or {}
    address, port = endpoint.get("Address"), endpoint.get("Port")
    domain: Mapping[str, Any] = next(iter(found.get("DomainMemberships") or ()), {})
    secret = found.get("MasterUserSecret")
    restorable = found.get("LatestRestorableTime")
    listener = found.get("ListenerEndpoint")
    return {
        "address": address,
        "allocatedStorage": found.get("AllocatedStorage"),
        "arn": found.get("DBInstanceArn"),
        "autoMinorVersionUpgrade": found.get("AutoMinorVersionUpgrade"),
        "availabilityZone": found.get("AvailabilityZone"),
        "backupRetentionPeriod": found.get("BackupRetentionPeriod"),
        "backupTarget": found.get("BackupTarget"),
        "backupWindow": found.get("PreferredBackupWindow"),
        "caCertIdentifier": found.get("CACertificateIdentifier"),
        "characterSetName": found.get("CharacterSetName"),
        "copyTagsToSnapshot": found.get("CopyTagsToSnapshot"),
        "customIamInstanceProfile": found.get("CustomIamInstanceProfile"),
        "customerOwnedIpEnabled": found.get("CustomerOwnedIpEnabled"),
        "databaseInsightsMode": found.get("DatabaseInsightsMode"),
        "dbName": found.get("DBName"),
        "dbSubnetGroupName": (found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "dedicatedLogVolume": found.get("DedicatedLogVolume"),
        "deletionProtection": found.get("DeletionProtection"),
        "domain": domain.get("Domain"),
        "domainAuthSecretArn": domain.get("AuthSecretArn"),
        "domainDnsIps": domain.get("DnsIps"),
        "domainFqdn": domain.get("FQDN"),
        "domainIamRoleName": domain.get("IAMRoleName"),
        "domainOu": domain.get("OU"),
        "enabledCloudwatchLogsExports": sorted(found.get("EnabledCloudwatchLogsExports") or ()),
        "endpoint": f"{address}:{port}" if address and port else None,
        "engine": found.get("Engine"),
        "engineLifecycleSupport": found.get("EngineLifecycleSupport"),
        "engineVersion": found.get("EngineVersion"),
        "engineVersionActual": found.get("EngineVersion"),
        "hostedZoneId": endpoint.get("HostedZoneId"),
        "iamDatabaseAuthenticationEnabled": found.get("IAMDatabaseAuthenticationEnabled"),
        "identifier": found.get("DBInstanceIdentifier"),
        "identifierPrefix": _prefix_of(found.get("DBInstanceIdentifier") or ""),
        "instanceClass": found.get("DBInstanceClass"),
        "iops": found.get("Iops"),
        "kmsKeyId": found.get("KmsKeyId"),
        "latestRestorableTime": _timestamp(restorable),
        "licenseModel": found.get("LicenseModel"),
        "listenerEndpoints": [_listener(listener)] if listener else [],
        "maintenanceWindow": found.get("PreferredMaintenanceWindow"),
        "masterUserSecrets": [_secret(secret)] if secret else [],
        "maxAllocatedStorage": found.get("MaxAllocatedStorage"),
        "monitoringInterval": found.get("MonitoringInterval"),
        "monitoringRoleArn": found.get("MonitoringRoleArn"),
        "multiAz": found.get("MultiAZ"),
        "ncharCharacterSetName": found.get("NcharCharacterSetName"),
        "networkType": found.get("NetworkType"),
        "optionGroupName": _first(found, "OptionGroupMemberships", "OptionGroupName"),
        "parameterGroupName": _first(found, "DBParameterGroups", "DBParameterGroupName"),
        "performanceInsightsEnabled": found.get("PerformanceInsightsEnabled"),
        "performanceInsightsKmsKeyId": found.get("PerformanceInsightsKMSKeyId"),
        "performanceInsightsRetentionPeriod": found.get("PerformanceInsightsRetentionPeriod"),
        "port": port or found.get("DbInstancePort"),
        "publiclyAccessible": found.get("PubliclyAccessible"),
        "replicaMode": found.get("ReplicaMode"),
        "replicas": list(found.get("ReadReplicaDBInstanceIdentifiers") or ()),
        "replicateSourceDb": found.get("ReadReplicaSourceDBInstanceIdentifier"),
        "resourceId": found.get("DbiResourceId"),
        "status": found.get("DBInstanceStatus"),
        "storageEncrypted": found.get("StorageEncrypted"),
        "storageThroughput": found.get("StorageThroughput"),
        "storageType": found.get("StorageType"),
        "timezone": found.get("Timezone"),
        "upgradeRolloutOrder": found.get("UpgradeRolloutOrder"),
        "username": found.get("MasterUsername"),
        "vpcSecurityGroupIds": sorted(
            group["VpcSecurityGroupId"] for group in found.get("VpcSecurityGroups") or ()
        ),
    }


def _prefix_of(name: str) -> str | None:
    """Give the prefix of a name that was made up, as `_made_up_name` and the real provider do."""
    found = re.fullmatch(r"(.*?)\d{18,20}[0-9a-f]{8}", name)
    return found.group(1) if found else None


def _first(found: Mapping[str, Any], group: str, key: str) -> str | None:
    members = found.get(group) or ()
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
