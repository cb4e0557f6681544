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
    required_tags = dict(arguments.get("tags") or {})
    request: dict[str, Any] = {}
    if arguments.get("dbInstanceIdentifier"):
        request["DBInstanceIdentifier"] = arguments["dbInstanceIdentifier"]
    try:
        pages = rds_client.get_paginator("describe_db_instances").paginate(**request)
        instances = [instance for page in pages for instance in page["DBInstances"]]
    except ClientError as error:
        raise ProviderError(f"reading RDS DB Instance: {error}") from error
    instances = [instance for instance in instances if required_tags.items() <= _tags(instance).items()]
    if len(instances) != 1:
        many = "empty result" if not instances else "too many results: wanted 1, got " + str(len(instances))
        raise ProviderError(f"reading RDS DB Instance: {many}")
    return {**_instance(instances[0]), "region": operation.region(arguments)}


def _instance(instance: Mapping[str, Any]) -> Properties:
    endpoint = instance.get("Endpoint") or {}
    address, port = endpoint.get("Address", ""), endpoint.get("Port", 0)
    secret = instance.get("MasterUserSecret")
    return {
        # Unlike the resource's, the function's id is the identifier.
        "id": instance["DBInstanceIdentifier"],
        "address": address,
        "allocatedStorage": instance.get("AllocatedStorage", 0),
        "autoMinorVersionUpgrade": instance.get("AutoMinorVersionUpgrade", False),
        "availabilityZone": instance.get("AvailabilityZone", ""),
        "backupRetentionPeriod": instance.get("BackupRetentionPeriod", 0),
        "caCertIdentifier": instance.get("CACertificateIdentifier", ""),
        "databaseInsightsMode": instance.get("DatabaseInsightsMode", ""),
        "dbClusterIdentifier": instance.get("DBClusterIdentifier", ""),
        "dbInstanceArn": instance.get("DBInstanceArn", ""),
        "dbInstanceClass": instance.get("DBInstanceClass", ""),
        "dbInstanceIdentifier": instance["DBInstanceIdentifier"],
        "dbInstancePort": instance.get("DbInstancePort", 0),
        "dbName": instance.get("DBName", ""),
        "dbParameterGroups": [
            group["DBParameterGroupName"] for group in instance.get("DBParameterGroups") or ()
        ],
        "dbSubnetGroup": (instance.get("DBSubnetGroup") or {}).get("DBSubnetGroupName", ""),
        "enabledCloudwatchLogsExports": list(instance.get("EnabledCloudwatchLogsExports") or ()),
        "endpoint": f"{address}:{port}",
        "engine": instance.get("Engine", ""),
        "engineVersion": instance.get("EngineVersion", ""),
        "hostedZoneId": endpoint.get("HostedZoneId", ""),
        "iops": instance.get("Iops", 0),
        "kmsKeyId": instance.get("KmsKeyId", ""),
        "licenseModel": instance.get("LicenseModel", ""),
        "masterUserSecrets": [
            {
                "kmsKeyId": secret.get("KmsKeyId", ""),
                "secretArn": secret.get("SecretArn", ""),
                "secretStatus": secret.get("SecretStatus", ""),
            }
        ]
        if secret
        else [],
        "masterUsername": instance.get("MasterUsername", ""),
        "maxAllocatedStorage": instance.get("MaxAllocatedStorage", 0),
        "monitoringInterval": instance.get("MonitoringInterval", 0),
        "monitoringRoleArn": instance.get("MonitoringRoleArn", ""),
        "multiAz": instance.get("MultiAZ", False),
        "networkType": instance.get("NetworkType", ""),
        "optionGroupMemberships": [
            group["OptionGroupName"] for group in instance.get("OptionGroupMemberships") or ()
        ],
        "port": port,
        "preferredBackupWindow": instance.get("PreferredBackupWindow", ""),
        "preferredMaintenanceWindow": instance.get("PreferredMaintenanceWindow", ""),
        "publiclyAccessible": instance.get("PubliclyAccessible", False),
        "replicateSourceDb": instance.get("ReadReplicaSourceDBInstanceIdentifier", ""),
        "resourceId": instance.get("DbiResourceId", ""),
        "storageEncrypted": instance.get("StorageEncrypted", False),
        "storageThroughput": instance.get("StorageThroughput", 0),
        "storageType": instance.get("StorageType", ""),
        "tags": _tags(instance),
        "timezone": instance.get("Timezone", ""),
        "upgradeRolloutOrder": instance.get("UpgradeRolloutOrder", ""),
        "vpcSecurityGroups": [
            group["VpcSecurityGroupId"] for group in instance.get("VpcSecurityGroups") or ()
        ],
    }


def _tags(instance: Mapping[str, Any]) -> dict[str, str]:
    tags = instance.get("TagList") or ()
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
