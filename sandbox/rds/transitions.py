"""The transitions of an instance: what its worker does, state after state, once a request was accepted."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import pymysql

from sandbox.mysql.errors import MySQLServerError
from sandbox.rds import backups
from sandbox.rds.clock import now
from sandbox.rds.hosting import read_replication
from sandbox.rds.model import DBInstance, DBSnapshot, ParameterStatus
from sandbox.rds.region import Region

__all__ = [
    "Change",
    "apply_parameters",
    "change",
    "create",
    "delete",
    "promote",
    "reboot",
    "replicate",
    "restore",
    "set_status",
    "snapshot",
    "start",
    "stop",
]

_log = logging.getLogger(__name__)


def set_status(region: Region, instance: DBInstance, status: str) -> None:
    with region.lock:
        instance.status = status


def create(region: Region, instance: DBInstance) -> None:
    region.hosting.initialise(instance)
    region.clock.pause("create")
    region.hosting.launch(instance)
    _born(region, instance)


def _born(region: Region, instance: DBInstance) -> None:
    """From `creating` to `available`, with the first automated backup on the way where backups are on."""
    with region.lock:
        instance.created = now()
        region.tell(instance, "DB instance created", "creation")
    if instance.retention > 0:
        set_status(region, instance, "backing-up")
        backups.take(region, instance)
        region.clock.pause("backup")
    set_status(region, instance, "available")


def replicate(region: Region, instance: DBInstance, source: DBInstance) -> None:
    """Make a managed replica: of a copy of the source's data, following from where the copy was made."""
    copy = region.hosting.snapshot_directory(f"replica-{instance.resource_id}")
    region.hosting.copy(source, copy)
    try:
        region.hosting.adopt(instance, copy)
    finally:
        backups.remove(copy)
    region.clock.pause("replica")
    region.hosting.launch(instance)
    server = region.hosting.server(instance)
    server.replicate_from(region.hosting.server(source))
    with region.lock:
        instance.replication = read_replication(server)
    _born(region, instance)


def restore(region: Region, instance: DBInstance, origin: DBSnapshot, failure: str | None) -> None:
    """Make an instance of a snapshot's data; a restored instance follows nobody."""
    try:
        region.hosting.adopt(instance, origin.directory)
    finally:
        with region.lock:
            origin.readers -= 1
    region.clock.pause("restore")
    if failure is not None:
        with region.lock:
            instance.status = failure
            region.tell(instance, f"The restore ended in the state {failure}.", "failure")
        return
    region.hosting.launch(instance)
    server = region.hosting.server(instance)
    server.clear_replication()
    server.set_managed_replica(managed=False)
    server.set_master_password(instance.master_username, instance.master_password)
    with region.lock:
        instance.hydrated_at = time.monotonic() + region.clock.seconds("hydrate")
        instance.hydration_began = time.monotonic()
    _born(region, instance)


@dataclass
class Change:
    """What a Modify changes by way of the instance's worker."""

    settings: dict[str, Any] = field(default_factory=dict)
    password: str | None = None
    port: int | None = None
    new_identifier: str | None = None
    association: bool = False
    log_exports: bool = False

    def __bool__(self) -> bool:
        return any(
            (self.settings, self.password, self.port, self.new_identifier, self.association, self.log_exports)
        )

    @property
    def status(self) -> str:
        """What RDS calls the state in which the change is made."""
        if self.new_identifier:
            return "renaming"
        if self.password and not self.settings:
            return "resetting-master-credentials"
        if self.log_exports and not self.settings:
            return "configuring-log-exports"
        return "modifying"


def change(region: Region, instance: DBInstance, what: Change) -> None:
    """Carry a Modify out; for a moment nothing shows, as on AWS."""
    region.clock.pause("notice")
    set_status(region, instance, what.status)
    had_backups = instance.retention > 0
    with region.lock:
        restart = (
            bool({"DBInstanceClass", "CACertificateIdentifier"} & set(what.settings)) or what.port is not None
        )
        instance.settings.update(what.settings)
        for name in what.settings:
            instance.pending.pop(name, None)
        if what.port is not None:
            instance.port = what.port
            instance.pending.pop("Port", None)
    if what.password is not None:
        region.hosting.server(instance).set_master_password(instance.master_username, what.password)
        with region.lock:
            instance.master_password = what.password
            instance.pending_password = False
    if what.association:
        region.clock.pause("apply")
        with region.lock:
            instance.parameter_status = ParameterStatus.PENDING_REBOOT
    has_backups = instance.retention > 0
    if what.new_identifier is not None:
        _rename(region, instance, what.new_identifier)
    elif restart or had_backups != has_backups:
        region.hosting.halt(instance)
        region.hosting.move(instance)
        region.clock.pause("modify")
        region.hosting.launch(instance)
        _repoint_replicas(region, instance)
    else:
        region.clock.pause("modify")
    if has_backups and not had_backups:
        set_status(region, instance, "backing-up")
        backups.take(region, instance)
        region.clock.pause("backup")
    if had_backups and not has_backups:
        backups.remove_all(region, instance)
    with region.lock:
        instance.status = "available"
        region.tell(instance, "Finished applying modification to the DB instance", "configuration change")


def _rename(region: Region, instance: DBInstance, identifier: str) -> None:
    """Move the instance to its new name: connections are cut, and for a while neither name answers."""
    region.hosting.halt(instance)
    with region.lock:
        old = instance.identifier
        instance.away = True
        instance.identifier, instance.new_identifier = identifier, old
    region.hosting.move(instance)
    region.clock.pause("away")
    with region.lock:
        instance.away = False
        instance.new_identifier = None
        instance.pending.pop("DBInstanceIdentifier", None)
        region.tell(instance, f"Renamed instance from {old} to {identifier}", "configuration change")
    region.clock.pause("rename")
    region.hosting.launch(instance)
    _repoint_replicas(region, instance)


def _repoint_replicas(region: Region, instance: DBInstance) -> None:
    """Managed replicas follow their source to its new address."""
    with region.lock:
        replicas = region.replicas_of(instance)
    for replica in replicas:
        replica.worker.submit(lambda replica=replica: _follow(region, replica))  # type: ignore[misc]


def _follow(region: Region, replica: DBInstance) -> None:
    if replica.source is None or replica.server is None or not replica.server.running():
        return
    try:
        replica.server.follow(region.hosting.server(replica.source))
    except (MySQLServerError, pymysql.Error) as error:
        # Its replication was ended by its owner, or its server is going away: the replica itself is all right.
        _log.warning("Replica %s does not follow its source: %s", replica.identifier, error)


def reboot(region: Region, instance: DBInstance) -> None:
    region.hosting.halt(instance)
    region.clock.pause("reboot")
    region.hosting.launch(instance)
    with region.lock:
        instance.status = "available"
        region.tell(instance, "DB instance restarted", "availability")


def stop(region: Region, instance: DBInstance) -> None:
    region.hosting.halt(instance)
    region.clock.pause("stop")
    with region.lock:
        instance.status = "stopped"
        region.tell(instance, "DB instance stopped", "notification")


def start(region: Region, instance: DBInstance) -> None:
    region.clock.pause("start")
    region.hosting.launch(instance)
    with region.lock:
        instance.status = "available"
        instance.restart_at = None
        region.tell(instance, "DB instance started", "notification")


def promote(region: Region, instance: DBInstance, retention: int) -> None:
    """End a replica's replication for good: it restarts as an instance of its own."""
    region.clock.pause("notice")
    set_status(region, instance, "modifying")
    region.hosting.server(instance).promote()
    had_backups = instance.retention > 0
    with region.lock:
        instance.source = None
        instance.settings["BackupRetentionPeriod"] = retention
        instance.status = "rebooting"
    region.hosting.halt(instance)
    region.clock.pause("promote")
    region.hosting.launch(instance)
    if retention > 0 and not had_backups:
        set_status(region, instance, "backing-up")
        backups.take(region, instance)
    with region.lock:
        instance.status = "available"
        region.tell(
            instance, "Promoted Read Replica instance to a stand-alone database instance", "read replica"
        )


def snapshot(region: Region, instance: DBInstance, item: DBSnapshot, before: str) -> None:
    """Take a manual snapshot; the instance goes back to the state that it was in before."""
    backups.fill(region, instance, item)
    region.clock.sleep(item.duration)
    backups.complete(region, item)
    set_status(region, instance, before)


def delete(region: Region, instance: DBInstance, final: DBSnapshot | None, *, keep_backups: bool) -> None:
    """Delete an instance; replicas that it leaves behind go on as instances of their own."""
    if final is not None:
        backups.fill(region, instance, final)
        region.clock.sleep(final.duration)
        backups.complete(region, final)
    with region.lock:
        orphans = region.replicas_of(instance)
    for orphan in orphans:
        orphan.worker.submit(lambda orphan=orphan: promote(region, orphan, orphan.retention))  # type: ignore[misc]
    region.hosting.discard(instance)
    region.clock.pause("delete")
    with region.lock:
        del region.instances[instance.resource_id]
        region.tell(instance, "DB instance deleted", "deletion")
        if keep_backups and instance.retention > 0:
            region.retained_backups[instance.resource_id] = instance
    if not keep_backups:
        backups.remove_all(region, instance)
    instance.worker.finish()


def apply_parameters(
    region: Region, instance: DBInstance, changed: dict[str, str | None], *, later: bool
) -> None:
    """Bring a parameter group's change to one of its instances; `later` is set when some of it waits for a reboot."""
    region.clock.pause("apply")
    server = instance.server
    status = ParameterStatus.PENDING_REBOOT if later else ParameterStatus.IN_SYNC
    try:
        if server is not None and server.running() and region.hosting.apply(instance, changed):
            status = ParameterStatus.PENDING_REBOOT
    except (MySQLServerError, pymysql.Error) as error:
        _log.warning("The server of %s refused parameters: %s", instance.identifier, error)
        status = ParameterStatus.FAILED
    with region.lock:
        if instance.parameter_status != ParameterStatus.PENDING_REBOOT or status == ParameterStatus.FAILED:
            instance.parameter_status = status
