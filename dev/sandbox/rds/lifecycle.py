"""Reboot, stop, start and delete."""

from __future__ import annotations

import time
from datetime import timedelta

from dev.sandbox.rds import backups, identifiers, transitions, views
from dev.sandbox.rds.clock import now
from dev.sandbox.rds.errors import already_exists, invalid_combination, invalid_state
from dev.sandbox.rds.model import DBInstance, DBSnapshot
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters, Result, action

__all__ = ["USABLE", "require_status"]

USABLE = ("storage-optimization", "storage-initialization")
"""Statuses beside `available` in which an instance is fully operational ("Viewing DB instance status", Amazon RDS User Guide)."""


def require_status(instance: DBInstance, *allowed: str) -> None:
    """Refuse unless the instance is in one of the states."""
    if instance.status not in allowed:
        raise invalid_state(
            f"Instance {instance.identifier} is not in {' or '.join(allowed)} state: its status is {instance.status}."
        )


@action("RebootDBInstance")
def reboot(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    require_status(instance, "available", *USABLE, "incompatible-parameters")
    if instance.renaming or time.monotonic() < instance.settled_at:
        raise invalid_state("Instance cannot currently reboot due to an in-progress management operation.")
    if parameters.get("ForceFailover") and not instance.settings["MultiAZ"]:
        raise invalid_combination("Cannot force failover since the instance is not Multi-AZ.")
    instance.status = "rebooting"
    instance.worker.submit(lambda: transitions.reboot(region, instance))
    return {"DBInstance": views.instance(region, instance)}


@action("StopDBInstance")
def stop(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    require_status(instance, "available")
    if instance.source is not None:
        raise invalid_state("Cannot stop or start a Read-Replica instance")
    if region.replicas_of(instance):
        raise invalid_state(f"Cannot stop {instance.identifier}: it has read replicas.")
    instance.status = "stopping"
    # RDS starts a stopped instance again after seven days.
    instance.restart_at = now() + timedelta(days=7)
    instance.worker.submit(lambda: transitions.stop(region, instance))
    return {"DBInstance": views.instance(region, instance)}


@action("StartDBInstance")
def start(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    require_status(instance, "stopped")
    instance.status = "starting"
    instance.worker.submit(lambda: transitions.start(region, instance))
    return {"DBInstance": views.instance(region, instance)}


@action("DeleteDBInstance")
def delete(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    if instance.status == "deleting":
        raise invalid_state(f"Instance {instance.identifier} is already being deleted.")
    if instance.settings["DeletionProtection"]:
        raise invalid_combination(
            "Cannot delete protected DB Instance, please disable deletion protection and try again."
        )
    final = _final_snapshot(region, instance, parameters)
    instance.status = "deleting"
    keep = parameters.get("DeleteAutomatedBackups") is False
    instance.worker.submit(lambda: transitions.delete(region, instance, final, keep_backups=keep))
    return {"DBInstance": views.instance(region, instance)}


def _final_snapshot(region: Region, instance: DBInstance, parameters: Parameters) -> DBSnapshot | None:
    skip = bool(parameters.get("SkipFinalSnapshot"))
    given = parameters.get("FinalDBSnapshotIdentifier")
    if skip and given:
        raise invalid_combination(
            "FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is true."
        )
    if skip:
        return None
    if not given:
        raise invalid_combination(
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
        )
    if instance.source is not None:
        raise invalid_combination(
            "FinalDBSnapshotIdentifier can not be specified when deleting a replica instance"
        )
    require_status(instance, "available", "stopped", *USABLE)
    identifier = identifiers.checked(given, "FinalDBSnapshotIdentifier")
    if identifier in region.snapshots:
        raise already_exists("DBSnapshotAlreadyExists", "DBSnapshot", identifier)
    return backups.record(region, instance, identifier, "manual", {})
