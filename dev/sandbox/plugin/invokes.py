"""The functions that the stand-in knows: `get_instance`, `get_key`, `get_caller_identity`, `get_region`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dev.sandbox.plugin.errors import ProviderError
from dev.sandbox.plugin.resources.base import Operation
from dev.sandbox.plugin.values import Properties

__all__ = ["FUNCTIONS", "invoke"]


def invoke(operation: Operation, token: str, arguments: Properties) -> Properties:
    """Run a function by its token."""
    try:
        function, accepted = FUNCTIONS[token]
    except KeyError:
        raise ProviderError(f"the stand-in for pulumi-resource-aws has no function '{token}'") from None
    unexpected = sorted(set(arguments) - accepted)
    if unexpected:
        raise ProviderError(f"invoking {token}: An unexpected argument {unexpected[0]!r} was provided")
    try:
        result = function(operation, arguments)
    except (ClientError, BotoCoreError, ProviderError) as error:
        raise ProviderError(f"invoking {token}: {error}") from error
    return {**arguments, **result}


def _get_instance(operation: Operation, arguments: Properties) -> Properties:
    rds_client = operation.rds(arguments)
    wanted = dict(arguments.get("tags") or {})
    request: dict[str, Any] = {}
    if arguments.get("dbInstanceIdentifier"):
        request["DBInstanceIdentifier"] = arguments["dbInstanceIdentifier"]
    try:
        pages = rds_client.get_paginator("describe_db_instances").paginate(**request)
        found = [instance for page in pages for instance in page["DBInstances"]]
    except ClientError as error:
        raise ProviderError(f"reading RDS DB Instance: {error}") from error
    found = [instance for instance in found if wanted.items() <= _tags(instance).items()]
    if len(found) != 1:
        many = "empty result" if not found else "too many results: wanted 1, got " + str(len(found))
        raise ProviderError(f"reading RDS DB Instance: {many}")
    return {**_instance(found[0]), "region": operation.region(arguments)}


def _instance(found: Mapping[str, Any]) -> Properties:
    endpoint = found.get("Endpoint") or {}
    address, port = endpoint.get("Address", ""), endpoint.get("Port", 0)
    secret = found.get("MasterUserSecret")
    return {
        # Unlike the resource's, the function's id is the identifier.
        "id": found["DBInstanceIdentifier"],
        "address": address,
        "allocatedStorage": found.get("AllocatedStorage", 0),
        "autoMinorVersionUpgrade": found.get("AutoMinorVersionUpgrade", False),
        "availabilityZone": found.get("AvailabilityZone", ""),
        "backupRetentionPeriod": found.get("BackupRetentionPeriod", 0),
        "caCertIdentifier": found.get("CACertificateIdentifier", ""),
        "databaseInsightsMode": found.get("DatabaseInsightsMode", ""),
        "dbClusterIdentifier": found.get("DBClusterIdentifier", ""),
        "dbInstanceArn": found.get("DBInstanceArn", ""),
        "dbInstanceClass": found.get("DBInstanceClass", ""),
        "dbInstanceIdentifier": found["DBInstanceIdentifier"],
        "dbInstancePort": found.get("DbInstancePort", 0),
        "dbName": found.get("DBName", ""),
        "dbParameterGroups": [
            group["DBParameterGroupName"] for group in found.get("DBParameterGroups") or ()
        ],
        "dbSubnetGroup": (found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName", ""),
        "enabledCloudwatchLogsExports": list(found.get("EnabledCloudwatchLogsExports") or ()),
        "endpoint": f"{address}:{port}",
        "engine": found.get("Engine", ""),
        "engineVersion": found.get("EngineVersion", ""),
        "hostedZoneId": endpoint.get("HostedZoneId", ""),
        "iops": found.get("Iops", 0),
        "kmsKeyId": found.get("KmsKeyId", ""),
        "licenseModel": found.get("LicenseModel", ""),
        "masterUserSecrets": [
            {
                "kmsKeyId": secret.get("KmsKeyId", ""),
                "secretArn": secret.get("SecretArn", ""),
                "secretStatus": secret.get("SecretStatus", ""),
            }
        ]
        if secret
        else [],
        "masterUsername": found.get("MasterUsername", ""),
        "maxAllocatedStorage": found.get("MaxAllocatedStorage", 0),
        "monitoringInterval": found.get("MonitoringInterval", 0),
        "monitoringRoleArn": found.get("MonitoringRoleArn", ""),
        "multiAz": found.get("MultiAZ", False),
        "networkType": found.get("NetworkType", ""),
        "optionGroupMemberships": [
            group["OptionGroupName"] for group in found.get("OptionGroupMemberships") or ()
        ],
        "port": port,
        "preferredBackupWindow": found.get("PreferredBackupWindow", ""),
        "preferredMaintenanceWindow": found.get("PreferredMaintenanceWindow", ""),
        "publiclyAccessible": found.get("PubliclyAccessible", False),
        "replicateSourceDb": found.get("ReadReplicaSourceDBInstanceIdentifier", ""),
        "resourceId": found.get("DbiResourceId", ""),
        "storageEncrypted": found.get("StorageEncrypted", False),
        "storageThroughput": found.get("StorageThroughput", 0),
        "storageType": found.get("StorageType", ""),
        "tags": _tags(found),
        "timezone": found.get("Timezone", ""),
        "upgradeRolloutOrder": found.get("UpgradeRolloutOrder", ""),
        "vpcSecurityGroups": [group["VpcSecurityGroupId"] for group in found.get("VpcSecurityGroups") or ()],
    }


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    tags = found.get("TagList") or ()
    return {tag["Key"]: tag.get("Value", "") for tag in tags if not tag["Key"].startswith("aws:")}


def _get_key(operation: Operation, arguments: Properties) -> Properties:
    key_id = arguments["keyId"]
    kms = operation.connections.client("kms", arguments.get("region"))
    request = {"KeyId": key_id, "GrantTokens": list(arguments.get("grantTokens") or ())}
    try:
        key = kms.describe_key(**request)["KeyMetadata"]
    except ClientError as error:
        raise ProviderError(f"reading KMS Key ({key_id}): {error}") from error
    created = key.get("CreationDate")
    return {
        "id": key["KeyId"],
        "arn": key["Arn"],
        "awsAccountId": key.get("AWSAccountId", ""),
        "cloudHsmClusterId": key.get("CloudHsmClusterId", ""),
        "creationDate": "" if created is None else f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "customKeyStoreId": key.get("CustomKeyStoreId", ""),
        "customerMasterKeySpec": key.get("CustomerMasterKeySpec", ""),
        "deletionDate": "",
        "description": key.get("Description", ""),
        "enabled": key.get("Enabled", False),
        "expirationModel": key.get("ExpirationModel", ""),
        "keyManager": key.get("KeyManager", ""),
        "keySpec": key.get("KeySpec", ""),
        "keyState": key.get("KeyState", ""),
        "keyUsage": key.get("KeyUsage", ""),
        "multiRegion": key.get("MultiRegion", False),
        "multiRegionConfigurations": [],
        "origin": key.get("Origin", ""),
        "pendingDeletionWindowInDays": key.get("PendingDeletionWindowInDays", 0),
        "region": operation.region(arguments),
        "validTo": "",
        "xksKeyConfigurations": [],
    }


def _get_caller_identity(operation: Operation, arguments: Properties) -> Properties:
    caller = operation.connections.client("sts").get_caller_identity()
    return {
        "id": caller["Account"],
        "accountId": caller["Account"],
        "arn": caller["Arn"],
        "userId": caller["UserId"],
    }


def _get_region(operation: Operation, arguments: Properties) -> Properties:
    region = operation.region(arguments)
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


#: Token → the function and the arguments that it takes.
FUNCTIONS: Mapping[str, tuple[Callable[[Operation, Properties], Properties], frozenset[str]]] = {
    "aws:rds/getInstance:getInstance": (_get_instance, frozenset({"dbInstanceIdentifier", "tags", "region"})),
    "aws:kms/getKey:getKey": (_get_key, frozenset({"keyId", "grantTokens", "region"})),
    "aws:index/getCallerIdentity:getCallerIdentity": (_get_caller_identity, frozenset({"id"})),
    "aws:index/getRegion:getRegion": (_get_region, frozenset({"endpoint", "name", "id", "region"})),
}
