"""Managed replicas: created and promoted."""

from __future__ import annotations

from dev.sandbox.rds import identifiers, instances, lifecycle, managed_password, settings, transitions, views
from dev.sandbox.rds.errors import RDSError, invalid_combination, invalid_state, invalid_value
from dev.sandbox.rds.model import DBInstance
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []

# AWS: "All read replica DB instances are created with backups disabled. All other attributes … are inherited
# from the source DB instance, except as specified." These aren't: their own defaults apply.
_NOT_INHERITED = ("BackupRetentionPeriod", "DeletionProtection", "MultiAZ", "CopyTagsToSnapshot")


@action("CreateDBInstanceReadReplica")
def create(region: Region, parameters: Parameters) -> Result:
    given = parameters.get("SourceDBInstanceIdentifier")
    if not given:
        raise invalid_combination("You must specify the source of the read replica.")
    source = region.instance(given)
    identifier = instances.new_identifier(region, parameters["DBInstanceIdentifier"])
    managed_password.refuse_replica(source)
    lifecycle.require_status(source, "available", *lifecycle.USABLE, "backing-up", "modifying")
    if source.retention == 0:
        raise invalid_state(
            "Automated backups are not enabled for this database instance. To enable automated backups, "
            "use ModifyDBInstance to set the backup retention period to a non-zero value."
        )
    if len(region.replicas_of(source)) >= region.quotas["ReadReplicasPerMaster"]:
        raise RDSError(
            "InstanceQuotaExceeded", "This request would exceed your quota of read replicas of one source."
        )
    _check_encryption(region, source, parameters)
    inherited = {name: value for name, value in source.settings.items() if name not in _NOT_INHERITED}
    values = settings.from_request({**parameters, "BackupRetentionPeriod": 0}, inherited)
    instances.check_class(values["DBInstanceClass"])
    # AWS's API reference: not for MySQL in the same region, where the replica gets its source's.
    if "DBParameterGroupName" in parameters:
        raise invalid_combination(
            "A parameter group can't be specified during Read Replica creation for mysql."
        )
    group = source.parameter_group.name
    subnet_group, security_groups = instances.chosen_groups(region, parameters, source)
    options = parameters.get("OptionGroupName") or source.option_group.name
    instance = DBInstance(
        resource_id=identifiers.new_resource_id(),
        identifier=identifier,
        settings=values,
        engine_version=source.engine_version,
        master_username=source.master_username,
        master_password=source.master_password,
        db_name=source.db_name,
        port=parameters.get("Port", source.port),
        parameter_group=instances.fitting_parameter_group(region, group, source.engine_version),
        option_group=instances.fitting_option_group(region, options, source.engine_version),
        subnet_group=subnet_group,
        security_groups=security_groups,
        kms_key_arn=source.kms_key_arn,
        encryption=source.encryption,
        tags=tags_from(parameters),
        worker=instances.new_worker(region, identifier),
        source=source,
    )
    region.instances[instance.resource_id] = instance
    instance.worker.submit(lambda: transitions.replicate(region, instance, source))
    return {"DBInstance": views.instance(region, instance)}


def _check_encryption(region: Region, source: DBInstance, parameters: Parameters) -> None:
    """A replica is encrypted as its source is: this refusal is why the migration needs a snapshot's copy."""
    key = parameters.get("KmsKeyId")
    if key is None:
        return
    if not source.encrypted:
        raise invalid_combination(
            "You cannot create an encrypted Read Replica from an unencrypted DB instance."
        )
    if region.key_arn(key) != source.kms_key_arn:
        raise invalid_combination(
            "A read replica in the same region must be encrypted with its source's KMS key."
        )


@action("PromoteReadReplica")
def promote(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    lifecycle.require_status(instance, "available", *lifecycle.USABLE)
    if instance.source is None:
        raise invalid_state(f"DB Instance {instance.identifier} is not a read replica.")
    retention = parameters.get("BackupRetentionPeriod", 1)
    if not 0 <= retention <= 35:
        raise invalid_value(f"Invalid backup retention period: {retention}. Must be between 0 and 35.")
    if window := parameters.get("PreferredBackupWindow"):
        instance.settings["PreferredBackupWindow"] = window
    instance.worker.submit(lambda: transitions.promote(region, instance, retention))
    return {"DBInstance": views.instance(region, instance)}
