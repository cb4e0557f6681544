"""The transitions of an instance: what its worker does, state after state, once a request was accepted."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pymysql

from dev.sandbox.mysql.errors import MySQLServerError
from dev.sandbox.rds import backups
from dev.sandbox.rds.clock import Closing, now
from dev.sandbox.rds.hosting import read_replication
from dev.sandbox.rds.model import DBInstance, DBSnapshot, ParameterStatus
from dev.sandbox.rds.region import Region

__all__ = [
    "STORAGE",
    "UNHEARD",
    "Change",
    "apply_parameters",
    "change",
    "create",
    "delete",
    "grow",
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

UNHEARD = "relocating"
"""A status that AWS does not document."""


def set_status(region: Region, instance: DBInstance, status: str) -> None:
    with region.lock:
        instance.status = status


def create(region: Region, instance: DBInstance) -> None:
    region.hosting.initialise(instance)
    region.clock.pause("create")
    region.hosting.launch(instance)
    _born(region, instance)


def back_up(region: Region, instance: DBInstance) -> None:
    """Take a daily backup of an instance in use: it serves as before, and takes no changes until that is done."""
    before = instance.status
    _begin_backups(region, instance)
    with region.lock:
        if instance.status == "backing-up":
            instance.status = before


def _begin_backups(region: Region, instance: DBInstance) -> None:
    set_status(region, instance, "backing-up")
    backups.take(region, instance)
    region.clock.pause("backup")


def _born(region: Region, instance: DBInstance, origin: DBSnapshot | None = None) -> None:
    """From `creating` to `available`, by way of the states that the settings imply.

    The first full backup is made before `available`, however long it takes (terraform-provider-aws #44104: hours).
    """
    with region.lock:
        instance.created = now()
        region.tell(instance, "DB instance created", "creation")
    for status in _configuring(instance, restored=origin is not None):
        set_status(region, instance, status)
        region.clock.pause("configure")
    if instance.retention > 0:
        _begin_backups(region, instance)
    moment = time.monotonic()
    with region.lock:
        instance.status = "available"
        instance.settled_at = moment + region.clock.seconds("settle")
        if origin is not None:
            # RDS-EVENT-0043
            region.tell(instance, f"Restored from snapshot {origin.identifier}", "restoration")
            instance.initialized_at = moment + region.clock.seconds("initialize")


def _configuring(instance: DBInstance, *, restored: bool) -> list[str]:
    """The states before the first `available`, all of them met by clients as statuses of new instances; their order is guessed."""
    states = {
        "modifying": restored,
        "configuring-enhanced-monitoring": bool(instance.settings.get("MonitoringInterval")),
        "configuring-log-exports": bool(instance.settings.get("EnabledCloudwatchLogsExports")),
        "configuring-iam-database-auth": bool(instance.settings.get("IAMDatabaseAuthenticationEnabled")),
    }
    return [status for status, implied in states.items() if implied]


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
        # RDS-EVENT-0046: of a replica's first replication too
        region.tell(instance, "Replication for the Read Replica resumed", "read replica")
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
    _unmark(region, instance, region.clock.seconds("unmark"))
    server.set_master_password(instance.master_username, instance.master_password)
    with region.lock:
        instance.hydrated_at = time.monotonic() + region.clock.seconds("hydrate")
        instance.hydration_began = time.monotonic()
    _born(region, instance, origin)


def _unmark(region: Region, instance: DBInstance, seconds: float) -> None:
    """Take the mark of a read replica off a restored server, at once or some time after it is available.

    Until then its procedures refuse an external source: how soon RDS takes the mark off is not known.
    """
    if seconds <= 0:
        region.hosting.server(instance).set_managed_replica(managed=False)
        return
    threading.Thread(target=_unmark_later, args=(region, instance, seconds), daemon=True).start()


def _unmark_later(region: Region, instance: DBInstance, seconds: float) -> None:
    try:
        while instance.status != "available" and instance.resource_id in region.instances:
            region.clock.sleep(0.05)
        region.clock.sleep(seconds)
        while instance.resource_id in region.instances:
            try:
                region.hosting.server(instance).set_managed_replica(managed=False)
            except (MySQLServerError, pymysql.Error, OSError) as error:
                _log.info("%s is still marked as a read replica: %s", instance.identifier, error)
                region.clock.sleep(0.2)
            else:
                return
    except Closing:
        return


STORAGE = frozenset({"AllocatedStorage", "StorageType", "Iops", "StorageThroughput"})
"""Settings whose change is followed by `storage-optimization`, and by hours in which none of them can be changed again."""


@dataclass
class Change:
    """What a Modify changes by way of the instance's worker."""

    settings: dict[str, Any] = field(default_factory=dict)
    password: str | None = None
    new_identifier: str | None = None
    association: bool = False
    log_exports: bool = False
    full: bool = False

    def __bool__(self) -> bool:
        return any((self.settings, self.password, self.new_identifier, self.association, self.log_exports))

    @property
    def restarts(self) -> bool:
        """Whether the server is restarted for it, beside a rename."""
        return bool({"DBInstanceClass", "CACertificateIdentifier"} & set(self.settings))

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
    """Carry a Modify out; for a moment nothing shows, as on AWS.

    A rename takes the old name's address away at once, while the status still says `available`.
    """
    if what.new_identifier is not None:
        _prepare_rename(region, instance, what)
    else:
        region.clock.pause("notice")
    set_status(region, instance, what.status)
    had_backups = instance.retention > 0
    with region.lock:
        instance.settings.update(what.settings)
        for name in what.settings:
            instance.pending.pop(name, None)
    if what.password is not None and what.new_identifier is None:
        _set_password(region, instance, what.password)
    if what.association:
        region.clock.pause("apply")
        with region.lock:
            instance.parameter_status = ParameterStatus.PENDING_REBOOT
    has_backups = instance.retention > 0
    if what.new_identifier is not None:
        _rename(region, instance, what.new_identifier)
    elif what.restarts or had_backups != has_backups:
        region.hosting.halt(instance)
        region.clock.pause("modify")
        region.hosting.launch(instance)
        _repoint_replicas(region, instance)
    else:
        region.clock.pause("modify")
    if has_backups and not had_backups:
        _begin_backups(region, instance)
    if had_backups and not has_backups:
        backups.remove_all(region, instance)
    with region.lock:
        if grown := STORAGE & set(what.settings):
            grow(region, instance)
        instance.status = "storage-full" if what.full and not grown else "available"
        _tell_of_change(region, instance, what, storage=bool(grown))


def _tell_of_change(region: Region, instance: DBInstance, what: Change, *, storage: bool) -> None:
    """Record the events of a Modify; there is none for a rename."""
    events = {
        "Finished applying modification to allocated storage": storage,  # RDS-EVENT-0017
        "Finished applying modification to DB instance class": "DBInstanceClass" in what.settings,  # 0014
        "Reset master credentials": what.password is not None,  # 0016
        f"Updated to use DBParameterGroup {instance.parameter_group.name}": what.association,  # 0011
        # Not one of RDS's: it tells measurements when a change has ended.
        "Finished applying modification to the DB instance": what.new_identifier is None,
    }
    for message, happened in events.items():
        if happened:
            region.tell(instance, message, "configuration change")


def grow(region: Region, instance: DBInstance) -> None:
    """Begin what follows a change of the storage: its optimization, and the hours until the next change."""
    instance.growth_began = time.monotonic()
    instance.optimized_at = instance.growth_began + region.clock.seconds("optimize")
    instance.may_grow_at = instance.growth_began + region.clock.seconds("regrow")


def _set_password(region: Region, instance: DBInstance, password: str) -> None:
    region.hosting.server(instance).set_master_password(instance.master_username, password)
    with region.lock:
        instance.master_password = password
        instance.pending_password = False


def _prepare_rename(region: Region, instance: DBInstance, what: Change) -> None:
    began = time.monotonic()
    if what.password is not None:
        _set_password(region, instance, what.password)
    region.hosting.halt(instance)
    region.clock.sleep(max(0.0, region.clock.seconds("notice") - (time.monotonic() - began)))


def _rename(region: Region, instance: DBInstance, identifier: str) -> None:
    """Move the instance, whose server is down, to its new name: for a while neither name answers."""
    with region.lock:
        old = instance.identifier
        instance.away = True
        instance.identifier, instance.new_identifier = identifier, old
    region.hosting.move(instance)
    region.clock.pause("away")
    with region.lock:
        instance.away = False
        instance.new_identifier = identifier
    if region.clock.seconds("unheard") > 0:
        set_status(region, instance, UNHEARD)
        region.clock.pause("unheard")
    set_status(region, instance, "rebooting")
    region.clock.pause("rename")
    region.hosting.launch(instance)
    with region.lock:
        instance.new_identifier = None
        instance.pending.pop("DBInstanceIdentifier", None)
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
    with region.lock:
        region.tell(instance, "DB instance shutdown", "availability")
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
        _begin_backups(region, instance)
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
    if not keep_backups:
        backups.remove_all(region, instance)
    instance.worker.finish()


def apply_parameters(
    region: Region, instance: DBInstance, changed: dict[str, str | None], *, later: bool
) -> None:
    """Bring a parameter group's change to one of its instances; `later` is set when some of it waits for a reboot."""
    region.clock.pause("apply")
    if "read_only" in changed:
        region.clock.pause("read_only")
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
        # RDS-EVENT-0092
        region.tell(instance, "Finished updating DB parameter group", "configuration change")
