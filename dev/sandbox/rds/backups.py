"""Snapshots of an instance as data: made, filled, completed and removed; automated ones are made by RDS itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from dev.sandbox.rds.clock import now
from dev.sandbox.rds.model import DBInstance, DBSnapshot, Tags
from dev.sandbox.rds.region import Region

__all__ = ["complete", "fill", "record", "remove", "remove_all", "take"]


def record(region: Region, instance: DBInstance, identifier: str, kind: str, tags: Tags) -> DBSnapshot:
    """Enter a snapshot of an instance that is yet to be filled."""
    copied = dict(instance.tags) if instance.settings["CopyTagsToSnapshot"] else {}
    item = DBSnapshot(
        identifier=identifier,
        kind=kind,
        instance_identifier=instance.identifier,
        resource_id=instance.resource_id,
        settings=dict(instance.settings),
        engine_version=instance.engine_version,
        master_username=instance.master_username,
        master_password=instance.master_password,
        db_name=instance.db_name,
        port=instance.port,
        option_group=instance.option_group.name,
        subnet_group=instance.subnet_group.name,
        vpc_id=instance.subnet_group.vpc_id,
        kms_key_arn=instance.kms_key_arn,
        encryption=instance.encryption,
        instance_created=instance.created,
        directory=region.hosting.snapshot_directory(f"{len(region.snapshots)}-{time.monotonic_ns()}"),
        tags={**copied, **tags},
        started=time.monotonic(),
        duration=region.clock.seconds("snapshot"),
    )
    region.snapshots[identifier] = item
    return item


def fill(region: Region, instance: DBInstance, item: DBSnapshot) -> None:
    """Copy the instance's data, as it is at this moment, into the snapshot."""
    region.hosting.copy(instance, item.directory)
    with region.lock:
        item.created = item.original_created = now()
        item.master_password = instance.master_password


def complete(region: Region, item: DBSnapshot) -> None:
    with region.lock:
        item.status = "available"
        region.tell_snapshot(item, "Manual snapshot created", "creation")


def take(region: Region, instance: DBInstance) -> None:
    """Take an automated snapshot, as RDS does in the backup window and when backups are switched on."""
    stamp = now().strftime("%Y-%m-%d-%H-%M")
    with region.lock:
        region.tell(instance, "Backing up DB instance", "backup")  # RDS-EVENT-0001
        name = f"rds:{instance.identifier}-{stamp}"
        taken = sum(1 for identifier in region.snapshots if identifier.startswith(name))
        item = record(region, instance, name if not taken else f"{name}-{taken}", "automated", {})
    fill(region, instance, item)
    with region.lock:
        item.status = "available"
        region.tell_snapshot(item, "Automated snapshot created", "creation")
        region.tell(instance, "Finished DB Instance backup", "backup")  # RDS-EVENT-0002


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


def remove_all(region: Region, instance: DBInstance) -> None:
    """Remove the automated snapshots of an instance that no longer keeps any."""
    with region.lock:
        gone = [
            snapshot
            for snapshot in region.snapshots.values()
            if snapshot.kind == "automated" and snapshot.resource_id == instance.resource_id
        ]
        for snapshot in gone:
            del region.snapshots[snapshot.identifier]
    for snapshot in gone:
        remove(snapshot.directory)
