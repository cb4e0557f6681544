"""What the API says of a resource: the members of botocore's shapes, filled from the model."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from dev.sandbox.rds.clock import now
from dev.sandbox.rds.model import (
    DBInstance,
    DBSnapshot,
    Event,
    OptionGroup,
    ParameterGroup,
    SubnetGroup,
    Tags,
)
from dev.sandbox.rds.parameters import Parameter
from dev.sandbox.rds.region import Region

__all__ = [
    "event",
    "instance",
    "option_group",
    "parameter",
    "parameter_group",
    "snapshot",
    "subnet_group",
    "tag_list",
]

View = dict[str, Any]
HOSTED_ZONE = "Z2R2ITUGPM61AM"


def tag_list(tags: Tags) -> list[View]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def instance(region: Region, item: DBInstance) -> View:
    """Describe an instance with everything that a MySQL instance's description has on AWS."""
    view: View = dict(item.settings)
    view.update(
        DBInstanceIdentifier=item.identifier,
        DBInstanceArn=region.arn("db", item.identifier),
        DbiResourceId=item.resource_id,
        DBInstanceStatus=item.shown_status,
        Engine="mysql",
        EngineVersion=item.engine_version,
        SecondaryAvailabilityZone=_secondary_zone(item),
        MasterUsername=item.master_username,
        DBName=item.db_name,
        InstanceCreateTime=item.created,
        Endpoint=_endpoint(region, item),
        DbInstancePort=0,
        DBSecurityGroups=[],
        VpcSecurityGroups=[{"VpcSecurityGroupId": g, "Status": "active"} for g in item.security_groups],
        DBParameterGroups=[
            {"DBParameterGroupName": item.parameter_group.name, "ParameterApplyStatus": item.parameter_status}
        ],
        OptionGroupMemberships=[{"OptionGroupName": item.option_group.name, "Status": "in-sync"}],
        DBSubnetGroup=subnet_group(region, item.subnet_group),
        StorageEncrypted=item.encrypted,
        StorageEncryptionType=_encryption_type(item),
        KmsKeyId=item.kms_key_arn,
        PendingModifiedValues=_pending(item),
        LatestRestorableTime=_latest_restorable(item),
        ReadReplicaDBInstanceIdentifiers=[replica.identifier for replica in region.replicas_of(item)],
        ReadReplicaSourceDBInstanceIdentifier=item.source.identifier if item.source else None,
        StatusInfos=_status_infos(item),
        CertificateDetails={
            "CAIdentifier": item.settings["CACertificateIdentifier"],
            "ValidTill": item.created + timedelta(days=365) if item.created else None,
        },
        DomainMemberships=[],
        AssociatedRoles=[],
        ActivityStreamStatus="stopped",
        IsStorageConfigUpgradeAvailable=False,
        AutomaticRestartTime=item.restart_at,
        EnhancedMonitoringResourceArn=_monitoring(region, item),
        TagList=tag_list(item.tags),
        MasterUserSecret=_master_secret(item),
        **_storage_operation(item),
    )
    return view


def _storage_operation(item: DBInstance) -> View:
    """A volume that has grown is optimized, and a restored one loads lazily, while the instance can be used."""
    for status, began, ends in (
        ("Optimizing", item.growth_began, item.optimized_at),
        ("Initializing", item.hydration_began, item.hydrated_at),
    ):
        moment = time.monotonic()
        if moment < ends:
            done = (moment - began) / (ends - began)
            return {"StorageOperationStatus": status, "StorageOperationPercentProgress": int(100 * done)}
    return {}


def _encryption_type(item: DBInstance | DBSnapshot) -> str:
    if item.encryption is not None:
        return "sse-rds"
    return "sse-kms" if item.kms_key_arn is not None else "none"


def _master_secret(item: DBInstance) -> View | None:
    if item.master_secret_arn is None:
        return None
    return {"SecretArn": item.master_secret_arn, "SecretStatus": "active"}


def _secondary_zone(item: DBInstance) -> str | None:
    if not item.settings["MultiAZ"]:
        return None
    zones = [subnet.availability_zone for subnet in item.subnet_group.subnets]
    return next((zone for zone in zones if zone != item.settings.get("AvailabilityZone")), None)


def _endpoint(region: Region, item: DBInstance) -> View | None:
    if not item.answers:
        return None
    address = region.hosting.address(item.identifier)
    return {"Address": address, "Port": item.port, "HostedZoneId": HOSTED_ZONE}


def _pending(item: DBInstance) -> View:
    pending = dict(item.pending)
    if item.pending_password:
        pending["MasterUserPassword"] = "****"
    return pending


def _latest_restorable(item: DBInstance) -> datetime | None:
    """Transaction logs reach the backup store every five minutes; a replica has no point-in-time restore."""
    if item.retention == 0 or item.created is None:
        return None
    moment = now()
    return max(item.created, moment - timedelta(minutes=moment.minute % 5, seconds=moment.second))


def _status_infos(item: DBInstance) -> list[View] | None:
    if item.source is None or not item.answers:
        return None
    replication = item.replication
    info: View = {
        "StatusType": "read replication",
        "Normal": replication.normal,
        "Status": replication.status,
    }
    if replication.message:
        info["Message"] = replication.message
    return [info]


def _monitoring(region: Region, item: DBInstance) -> str | None:
    if not item.settings.get("MonitoringInterval"):
        return None
    group = f"log-group:RDSOSMetrics:log-stream:{item.resource_id}"
    return f"arn:aws:logs:{region.name}:{region.account_id}:{group}"


def snapshot(region: Region, item: DBSnapshot) -> View:
    keep = (
        "AllocatedStorage",
        "StorageType",
        "Iops",
        "StorageThroughput",
        "AvailabilityZone",
        "LicenseModel",
    )
    view: View = {name: item.settings.get(name) for name in keep}
    view.update(
        DBSnapshotIdentifier=item.identifier,
        DBSnapshotArn=region.arn("snapshot", item.identifier),
        DBInstanceIdentifier=item.instance_identifier,
        DbiResourceId=item.resource_id,
        SnapshotType=item.kind,
        Status=item.status,
        PercentProgress=_progress(item),
        SnapshotCreateTime=item.created,
        OriginalSnapshotCreateTime=item.original_created,
        SnapshotDatabaseTime=item.original_created,
        InstanceCreateTime=item.instance_created,
        Engine="mysql",
        EngineVersion=item.engine_version,
        MasterUsername=item.master_username,
        Port=item.port,
        VpcId=item.vpc_id,
        OptionGroupName=item.option_group,
        Encrypted=item.encrypted,
        StorageEncryptionType=_encryption_type(item),
        KmsKeyId=item.kms_key_arn,
        SourceDBSnapshotIdentifier=item.source_arn,
        SourceRegion=region.name if item.source_arn else None,
        IAMDatabaseAuthenticationEnabled=item.settings["IAMDatabaseAuthenticationEnabled"],
        BackupRetentionPeriod=item.settings["BackupRetentionPeriod"],
        PreferredBackupWindow=item.settings["PreferredBackupWindow"],
        DedicatedLogVolume=item.settings["DedicatedLogVolume"],
        ProcessorFeatures=item.settings.get("ProcessorFeatures", []),
        SnapshotTarget="region",
        TagList=tag_list(item.tags),
    )
    return view


def _progress(item: DBSnapshot) -> int:
    if item.status not in ("creating", "copying"):
        return 100
    elapsed = time.monotonic() - item.started
    return min(99, int(100 * elapsed / item.duration)) if item.duration else 0


def parameter_group(region: Region, item: ParameterGroup) -> View:
    return {
        "DBParameterGroupName": item.name,
        "DBParameterGroupFamily": item.family,
        "Description": item.description,
        "DBParameterGroupArn": region.arn("pg", item.name),
    }


def parameter(group: ParameterGroup, item: Parameter) -> View:
    own = group.values.get(item.name)
    source = "user" if own is not None else "system" if item.default is not None else "engine-default"
    return {
        "ParameterName": item.name,
        "ParameterValue": own if own is not None else item.default,
        "Description": f"The server's {item.name}.",
        "Source": source,
        "ApplyType": item.apply_type,
        "DataType": item.data_type,
        "AllowedValues": item.allowed or None,
        "IsModifiable": item.modifiable,
        "ApplyMethod": group.apply_methods.get(item.name, "pending-reboot"),
    }


def option_group(region: Region, item: OptionGroup) -> View:
    return {
        "OptionGroupName": item.name,
        "OptionGroupDescription": item.description,
        "EngineName": "mysql",
        "MajorEngineVersion": item.major_version,
        "Options": [],
        "AllowsVpcAndNonVpcInstanceMemberships": True,
        "OptionGroupArn": region.arn("og", item.name),
    }


def subnet_group(region: Region, item: SubnetGroup) -> View:
    return {
        "DBSubnetGroupName": item.name,
        "DBSubnetGroupDescription": item.description,
        "VpcId": item.vpc_id,
        "SubnetGroupStatus": "Complete",
        "Subnets": [
            {
                "SubnetIdentifier": subnet.identifier,
                "SubnetAvailabilityZone": {"Name": subnet.availability_zone},
                "SubnetOutpost": {},
                "SubnetStatus": "Active",
            }
            for subnet in item.subnets
        ],
        "DBSubnetGroupArn": region.arn("subgrp", item.name),
        "SupportedNetworkTypes": ["IPV4"],
    }


def event(item: Event) -> View:
    return {
        "SourceType": item.source_type,
        "SourceIdentifier": item.source_identifier,
        "SourceArn": item.source_arn,
        "Message": item.message,
        "EventCategories": list(item.categories),
        "Date": item.date,
    }
