"""RestoreDBInstanceFromDBSnapshot: what is not asked for takes AWS's defaults, not the old instance's settings."""

from __future__ import annotations

from dev.sandbox.rds import identifiers, instances, managed_password, settings, transitions, views
from dev.sandbox.rds.engines import require_support
from dev.sandbox.rds.errors import RDSError, invalid_combination, invalid_value
from dev.sandbox.rds.model import DBInstance
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []

# What a restored instance takes from its snapshot. All else falls back to AWS's defaults: groups, Multi-AZ, logs,
# IAM authentication, monitoring, tags, deletion protection … so that a caller who forgets one loses it here too.
_FROM_SNAPSHOT = (
    "DBInstanceClass",
    "AllocatedStorage",
    "StorageType",
    "Iops",
    "StorageThroughput",
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "LicenseModel",
)


@action("RestoreDBInstanceFromDBSnapshot")
def restore(region: Region, parameters: Parameters) -> Result:
    given = parameters.get("DBSnapshotIdentifier")
    if not given:
        raise invalid_combination("You must specify a DBSnapshotIdentifier.")
    managed_password.refuse_on_restore(parameters)
    snapshot = region.snapshot(given)
    identifier = instances.new_identifier(region, parameters["DBInstanceIdentifier"])
    if snapshot.status != "available":
        raise RDSError(
            "InvalidDBSnapshotState",
            f"Cannot restore from the snapshot {snapshot.identifier}: its status is {snapshot.status}, not available.",
        )
    if parameters.get("Engine", "mysql") != "mysql":
        raise invalid_combination("The snapshot's engine is mysql.")
    if parameters.get("AllocatedStorage", 65536) < snapshot.settings["AllocatedStorage"]:
        raise invalid_combination("The allocated storage can't be less than the snapshot's.")
    inherited = {name: snapshot.settings[name] for name in _FROM_SNAPSHOT if name in snapshot.settings}
    if parameters.get("StorageType", inherited["StorageType"]) != inherited["StorageType"]:
        inherited.pop("Iops", None)
        inherited.pop("StorageThroughput", None)
    values = settings.from_request(parameters, inherited)
    if not 0 <= values["BackupRetentionPeriod"] <= 35:
        raise invalid_value("Invalid backup retention period. Must be between 0 and 35.")
    settings.storage_defaults(values)
    instances.check_class(values["DBInstanceClass"])
    if snapshot.encrypted:
        instances.check_encryption(values["DBInstanceClass"])
        if snapshot.kms_key_arn is not None:
            region.key_arn(snapshot.kms_key_arn)  # refused when the key can't be used any more
    instances.windows(values, identifier)
    subnet_group, security_groups = instances.chosen_groups(region, parameters, None)
    values.setdefault("AvailabilityZone", subnet_group.subnets[0].availability_zone)
    version = snapshot.engine_version
    require_support(version, values.get("EngineLifecycleSupport"), restored=True)
    instance = DBInstance(
        resource_id=identifiers.new_resource_id(),
        identifier=identifier,
        settings=values,
        engine_version=version,
        master_username=snapshot.master_username,
        master_password=snapshot.master_password,
        db_name=snapshot.db_name,
        port=parameters.get("Port", snapshot.port),
        parameter_group=instances.fitting_parameter_group(
            region, parameters.get("DBParameterGroupName"), version
        ),
        option_group=instances.fitting_option_group(region, parameters.get("OptionGroupName"), version),
        subnet_group=subnet_group,
        security_groups=security_groups,
        kms_key_arn=snapshot.kms_key_arn,
        encryption=snapshot.encryption,
        tags=tags_from(parameters),
        worker=instances.new_worker(region, identifier),
    )
    region.instances[instance.resource_id] = instance
    snapshot.readers += 1
    failure = region.faults.take_restore_failure()
    instance.worker.submit(lambda: transitions.restore(region, instance, snapshot, failure))
    return {"DBInstance": views.instance(region, instance)}
