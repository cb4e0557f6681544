"""Snapshots: taken, copied, described, shared, deleted."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from dev.sandbox.rds import backups, identifiers, lifecycle, neighbours, transitions, views
from dev.sandbox.rds.clock import now
from dev.sandbox.rds.errors import (
    RDSError,
    already_exists,
    invalid_combination,
    invalid_value,
    snapshot_not_found,
)
from dev.sandbox.rds.model import DBSnapshot
from dev.sandbox.rds.pagination import filters, page
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action
from dev.sandbox.rds.worker import Worker

__all__: list[str] = []


@action("DescribeDBSnapshots")
def describe(region: Region, parameters: Parameters) -> Result:
    criteria = filters(
        parameters, ("db-instance-id", "db-snapshot-id", "dbi-resource-id", "snapshot-type", "engine")
    )
    snapshots = sorted(region.snapshots.values(), key=lambda snapshot: snapshot.identifier)
    if name := parameters.get("DBSnapshotIdentifier"):
        snapshots = [region.snapshot(name)]
    if instance := parameters.get("DBInstanceIdentifier"):
        owner = identifiers.name_from_arn(instance, "db").lower()
        snapshots = [snapshot for snapshot in snapshots if snapshot.instance_identifier == owner]
    if kind := parameters.get("SnapshotType"):
        if kind not in ("automated", "manual", "shared", "public", "awsbackup"):
            raise invalid_value(f"Invalid value {kind} for SnapshotType")
        snapshots = [snapshot for snapshot in snapshots if snapshot.kind == kind]
    snapshots = [snapshot for snapshot in snapshots if _matches(region, snapshot, criteria)]
    if name and not snapshots:
        raise snapshot_not_found(name)
    return page([views.snapshot(region, snapshot) for snapshot in snapshots], parameters, "DBSnapshots")


def _matches(region: Region, item: DBSnapshot, criteria: dict[str, list[str]]) -> bool:
    answers = {
        "db-instance-id": (item.instance_identifier, region.arn("db", item.instance_identifier)),
        "db-snapshot-id": (item.identifier, region.arn("snapshot", item.identifier)),
        "dbi-resource-id": (item.resource_id,),
        "snapshot-type": (item.kind,),
        "engine": ("mysql",),
    }
    return all(set(answers[name]) & set(values) for name, values in criteria.items())


@action("CreateDBSnapshot")
def create(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    identifier = _new_identifier(region, parameters["DBSnapshotIdentifier"], "DBSnapshotIdentifier")
    lifecycle.require_status(instance, "available", "stopped", *lifecycle.USABLE)
    item = backups.record(region, instance, identifier, "manual", tags_from(parameters))
    before = instance.status
    instance.status = "backing-up"
    instance.worker.submit(lambda: transitions.snapshot(region, instance, item, before))
    return {"DBSnapshot": views.snapshot(region, item)}


def _new_identifier(region: Region, given: str, parameter: str) -> str:
    identifier = identifiers.checked(given, parameter)
    if identifier in region.snapshots:
        raise already_exists("DBSnapshotAlreadyExists", "DBSnapshot", identifier)
    manual = sum(1 for snapshot in region.snapshots.values() if snapshot.kind == "manual")
    if manual >= region.quotas["ManualSnapshots"]:
        raise RDSError(
            "SnapshotQuotaExceeded",
            f"Cannot create more than {region.quotas['ManualSnapshots']} manual snapshots",
        )
    return identifier


@action("CopyDBSnapshot")
def copy(region: Region, parameters: Parameters) -> Result:
    """Copy a snapshot; with a KmsKeyId the copy is encrypted, the one place where RDS encrypts existing data."""
    given = parameters["SourceDBSnapshotIdentifier"]
    if given.startswith("arn:") and given.split(":")[3] != region.name:
        raise invalid_value(
            "A copy across regions needs a PreSignedUrl; the sandbox copies within one region."
        )
    source = region.snapshot(given)
    identifier = _new_identifier(
        region, parameters["TargetDBSnapshotIdentifier"], "TargetDBSnapshotIdentifier"
    )
    if source.status != "available":
        raise RDSError(
            "InvalidDBSnapshotState",
            f"Cannot copy the snapshot {source.identifier}: its status is {source.status}, not available.",
        )
    in_progress = sum(
        1 for snapshot in region.snapshots.values() if snapshot.source_arn and snapshot.status == "creating"
    )
    if in_progress >= region.quotas["SnapshotCopiesInProgress"]:
        raise RDSError("SnapshotQuotaExceeded", "Cannot have more than 20 snapshot copies in progress.")
    key = parameters.get("KmsKeyId")
    item = replace(
        source,
        identifier=identifier,
        kind="manual",
        option_group=parameters.get("OptionGroupName", source.option_group),
        kms_key_arn=region.key_arn(key) if key else source.kms_key_arn,
        encryption=None if key else source.encryption,
        directory=region.hosting.snapshot_directory(f"{len(region.snapshots)}-{time.monotonic_ns()}"),
        tags={**(source.tags if parameters.get("CopyTags") else {}), **tags_from(parameters)},
        status="creating",
        created=None,
        source_arn=region.arn("snapshot", source.identifier),
        started=time.monotonic(),
        duration=region.clock.seconds("copy"),
        readers=0,
        shared_with=[],
    )
    region.snapshots[identifier] = item
    source.readers += 1
    # RDS-EVENT-0196
    region.tell_snapshot(
        item, f"Started copy of snapshot {source.identifier} in region {region.name}", "notification"
    )
    fails = region.faults.take_copy_failure()
    worker = Worker(f"copy-{identifier}", lambda error: _copy_failed(region, item, str(error)))
    worker.submit(lambda: _copy(region, source, item, fails=fails))
    worker.finish()
    return {"DBSnapshot": views.snapshot(region, item)}


def _copy(region: Region, source: DBSnapshot, item: DBSnapshot, *, fails: bool) -> None:
    try:
        region.hosting.copy_snapshot(source, item.directory)
    finally:
        with region.lock:
            source.readers -= 1
    region.clock.sleep(item.duration)
    if fails:
        _copy_failed(region, item, "a fault was injected")
        return
    with region.lock:
        item.status = "available"
        item.created = now()
        # RDS-EVENT-0197
        region.tell_snapshot(
            item, f"Finished copy of snapshot {source.identifier} in region {region.name}", "notification"
        )


def _copy_failed(region: Region, item: DBSnapshot, why: str) -> None:
    with region.lock:
        item.status = "failed"
        region.tell_snapshot(item, f"The copy of the snapshot failed: {why}", "failure")


@action("DeleteDBSnapshot")
def delete(region: Region, parameters: Parameters) -> Result:
    item = region.snapshot(parameters["DBSnapshotIdentifier"])
    if item.kind == "automated":
        raise RDSError("InvalidDBSnapshotState", "You can't delete an automated snapshot.")
    if item.status not in ("available", "failed") or item.readers:
        raise RDSError(
            "InvalidDBSnapshotState",
            f"Cannot delete the snapshot {item.identifier}: it is {'in use' if item.readers else item.status}.",
        )
    del region.snapshots[item.identifier]
    view = views.snapshot(region, item)
    region.tell_snapshot(item, "Deleted user snapshot", "deletion")  # RDS-EVENT-0041
    worker = Worker(f"delete-{item.identifier}")
    worker.submit(lambda: backups.remove(item.directory))
    worker.finish()
    return {"DBSnapshot": {**view, "Status": "deleted"}}


@action("DescribeDBSnapshotAttributes")
def describe_attributes(region: Region, parameters: Parameters) -> Result:
    return _attributes(region.snapshot(parameters["DBSnapshotIdentifier"]))


def _attributes(item: DBSnapshot) -> Result:
    restore = {"AttributeName": "restore", "AttributeValues": list(item.shared_with)}
    attributes = {"DBSnapshotIdentifier": item.identifier, "DBSnapshotAttributes": [restore]}
    return {"DBSnapshotAttributesResult": attributes}


@action("ModifyDBSnapshotAttribute")
def modify_attribute(region: Region, parameters: Parameters) -> Result:
    item = region.snapshot(parameters["DBSnapshotIdentifier"])
    if parameters["AttributeName"] != "restore":
        raise invalid_value(f"Invalid snapshot attribute name: {parameters['AttributeName']}")
    if item.kind == "automated":
        raise RDSError("InvalidDBSnapshotState", "Automated snapshots can't be shared: copy it first.")
    added = parameters.get("ValuesToAdd", [])
    for account in added:
        if account != "all" and not re.fullmatch(r"\d{12}", account):
            raise invalid_value(f"Invalid account id: {account}")
    if added and item.encrypted:
        if item.kms_key_arn == neighbours.key_arn(region.account_id, region.name, None):
            raise invalid_combination(
                "A snapshot that is encrypted with the account's default KMS key can't be shared."
            )
        if "all" in added:
            raise invalid_combination("An encrypted snapshot can't be made public.")
    removed = set(parameters.get("ValuesToRemove", []))
    item.shared_with = [
        account_id for account_id in dict.fromkeys([*item.shared_with, *added]) if account_id not in removed
    ]
    return _attributes(item)
