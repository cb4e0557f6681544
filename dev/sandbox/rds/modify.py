"""ModifyDBInstance: what changes at once, what in a moment, and what waits for the maintenance window."""

from __future__ import annotations

import math
import time
from typing import Any

from dev.sandbox.rds import (
    identifiers,
    instances,
    managed_password,
    neighbours,
    settings,
    transitions,
    views,
)
from dev.sandbox.rds.engines import resolve_version
from dev.sandbox.rds.errors import already_exists, busy, invalid_combination, invalid_value
from dev.sandbox.rds.model import DBInstance, ParameterStatus
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []

# Whoever runs out of storage is to get more by a Modify ("Viewing DB instance status", Amazon RDS User Guide). That the rest
# of a Modify, such as a rename, is accepted then as well is guessed.
_MODIFIABLE = (
    "available",
    "storage-optimization",
    "storage-initialization",
    "storage-full",
    "incompatible-parameters",
)


@action("ModifyDBInstance")
def modify(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    _require_ready(instance)
    at_once = bool(parameters.get("ApplyImmediately"))
    immediate, deferred = settings.changes(parameters, instance.settings)
    _check_storage(instance, deferred)
    _check(region, instance, parameters, {**immediate, **deferred})
    new_identifier = _new_identifier(region, instance, parameters.get("NewDBInstanceIdentifier"))
    groups = _groups(region, instance, parameters)
    exports = _log_exports(instance, parameters.get("CloudwatchLogsExportConfiguration"))

    # Nothing is refused from here on: the change is made.
    change = transitions.Change(
        password=_password(region, instance, parameters), full=instance.status == "storage-full"
    )
    change.association = (
        groups.get("parameter_group", instance.parameter_group) is not instance.parameter_group
    )
    for name, value in groups.items():
        setattr(instance, name, value)
    if change.association:
        instance.parameter_status = ParameterStatus.APPLYING
    instance.settings.update(immediate)
    if exports is not None:
        instance.settings["EnabledCloudwatchLogsExports"] = exports
        change.log_exports = True
    instance.pending_password = change.password is not None
    instance.pending.update(deferred)
    if new_identifier is not None:
        instance.pending["DBInstanceIdentifier"] = new_identifier
    if at_once:
        # What waited for the maintenance window goes along with what is asked for now.
        waiting = dict(instance.pending)
        change.new_identifier = waiting.pop("DBInstanceIdentifier", None)
        change.settings = waiting
        instance.new_identifier = change.new_identifier
    elif "BackupRetentionPeriod" in deferred and deferred["BackupRetentionPeriod"] and instance.retention:
        # From one positive number to another there is no outage: as soon as possible, whatever was asked.
        change.settings = {"BackupRetentionPeriod": deferred["BackupRetentionPeriod"]}
    if change:
        instance.worker.submit(lambda: transitions.change(region, instance, change))
    return {"DBInstance": views.instance(region, instance)}


def _require_ready(instance: DBInstance) -> None:
    if instance.status not in _MODIFIABLE or instance.renaming or time.monotonic() < instance.settled_at:
        raise busy()


def _password(region: Region, instance: DBInstance, parameters: Parameters) -> str | None:
    manage = parameters.get("ManageMasterUserPassword")
    if manage:
        return managed_password.begin(region, instance)
    if manage is False:
        managed_password.end(region, instance)
    given: str | None = parameters.get("MasterUserPassword")
    return given


def _check(region: Region, instance: DBInstance, parameters: Parameters, changed: dict[str, Any]) -> None:
    if "DBInstanceClass" in changed:
        instances.check_class(changed["DBInstanceClass"])
        if instance.encrypted:
            instances.check_encryption(changed["DBInstanceClass"])
    managed_password.check_modify(instance, parameters)
    retention = changed.get("BackupRetentionPeriod", instance.retention)
    if not 0 <= retention <= 35:
        raise invalid_value(f"Invalid backup retention period: {retention}. Must be between 0 and 35.")
    if retention == 0 and instance.retention and region.replicas_of(instance):
        raise invalid_combination(
            "Backups can't be disabled on a DB instance that is the source of read replicas."
        )
    version = parameters.get("EngineVersion")
    if version is not None and resolve_version(version) != instance.engine_version:
        raise invalid_combination(f"Cannot upgrade mysql from {instance.engine_version} to {version}")
    if parameters.get("DBPortNumber", instance.port) != instance.port:
        raise invalid_combination("The sandbox leaves an instance the port that it was created with.")
    if parameters.get("MonitoringInterval") and not (
        parameters.get("MonitoringRoleArn") or instance.settings.get("MonitoringRoleArn")
    ):
        raise invalid_combination(
            "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0."
        )


def _check_storage(instance: DBInstance, changed: dict[str, Any]) -> None:
    """Storage only grows, by a tenth at least, and not again soon: botocore's text of AllocatedStorage, and RDS's guide."""
    if not transitions.STORAGE & set(changed):
        return
    if time.monotonic() < max(instance.optimized_at, instance.may_grow_at):
        raise invalid_combination(
            "You can't currently modify the storage of this DB instance because the previous storage change is being "
            "optimized."
        )
    current = instance.settings["AllocatedStorage"]
    asked = changed.get("AllocatedStorage", current)
    if asked < current:
        raise invalid_combination(
            "Requested storage size is less than the current one: storage can't be decreased."
        )
    if asked > current:
        changed["AllocatedStorage"] = max(asked, math.ceil(current * 1.1))


def _new_identifier(region: Region, instance: DBInstance, given: str | None) -> str | None:
    if given is None:
        return None
    identifier = identifiers.instance_identifier(given, "NewDBInstanceIdentifier")
    # The name that it has is a rename too, with the reboot.
    if identifier != instance.identifier and region.name_is_taken(identifier):
        raise already_exists("DBInstanceAlreadyExists", "DB instance", identifier)
    return identifier


def _groups(region: Region, instance: DBInstance, parameters: Parameters) -> dict[str, Any]:
    new_groups: dict[str, Any] = {}
    if name := parameters.get("DBParameterGroupName"):
        new_groups["parameter_group"] = instances.fitting_parameter_group(
            region, name, instance.engine_version
        )
    if name := parameters.get("OptionGroupName"):
        new_groups["option_group"] = instances.fitting_option_group(region, name, instance.engine_version)
    if name := parameters.get("DBSubnetGroupName"):
        new_groups["subnet_group"] = region.subnet_group(name)
    if groups := parameters.get("VpcSecurityGroupIds"):
        new_groups["security_groups"] = neighbours.security_groups(region.account_id, region.name, groups)
    return new_groups


def _log_exports(instance: DBInstance, asked: dict[str, list[str]] | None) -> list[str] | None:
    if asked is None:
        return None
    known = {"audit", "error", "general", "slowquery"}
    on, off = asked.get("EnableLogTypes", []), asked.get("DisableLogTypes", [])
    if unknown := (set(on) | set(off)) - known:
        raise invalid_combination(
            f"You cannot use the log types '{', '.join(sorted(unknown))}' with engine version mysql {instance.engine_version}."
        )
    kept = set(instance.settings.get("EnabledCloudwatchLogsExports", []))
    return sorted((kept | set(on)) - set(off))
