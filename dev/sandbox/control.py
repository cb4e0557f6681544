"""What tests may do to a sandbox behind the API's back: look at it, and break things."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pymysql

from dev.sandbox.faults import Fault, FaultBook
from dev.sandbox.mysql.bookkeeping import Bookkeeping
from dev.sandbox.mysql.errors import MySQLServerError
from dev.sandbox.rds import instances, transitions
from dev.sandbox.rds.api import RDS
from dev.sandbox.rds.clock import Closing, TimeModel
from dev.sandbox.rds.errors import RDSError
from dev.sandbox.rds.model import DBInstance, OwnedKey
from dev.sandbox.rds.region import Region

__all__ = ["Control"]

_log = logging.getLogger(__name__)

_OF_INSTANCES = frozenset(
    {
        "automated-backup",
        "delete",
        "freeze",
        "grow",
        "kill",
        "owned-key",
        "reboot",
        "refuse-replicas",
        "status",
        "stop",
        "thaw",
    }
)

_ACTIONS = {
    "rds_start_replication": "Starting: start slave",
    "rds_stop_replication": "Starting: stop slave",
    "rds_reset_external_master": "Starting: reset slave",
}


class Control:
    """Carries out what is posted to the fault API; a request that makes no sense raises LookupError or ValueError."""

    def __init__(self, rds: RDS, faults: FaultBook, clock: TimeModel, region: str) -> None:
        self._rds = rds
        self._faults = faults
        self._clock = clock
        self._region = region

    def clear(self) -> None:
        """Forget the faults that have not happened yet, the durations that were set, and how RDS was to keep its books."""
        self._faults.clear()
        self._clock.overrides.clear()
        self._rds.region(self._region).hosting.bookkeeping = Bookkeeping()
        self._refuse_no_procedure()

    def _refuse_no_procedure(self) -> None:
        for instance in list(self._rds.region(self._region).instances.values()):
            if instance.server is not None and instance.server.running() and not instance.frozen:
                try:
                    instance.server.refuse_procedure(None, None)
                except (pymysql.Error, MySQLServerError, OSError) as error:
                    _log.debug("Instance %s is being stopped or started: %s", instance.identifier, error)

    def status(self) -> dict[str, Any]:
        """Say which instances there are, in all regions."""
        descriptions = []
        for region in self._rds.regions():
            with region.lock:
                descriptions += [
                    {
                        "region": region.name,
                        "identifier": instance.identifier,
                        "resource_id": instance.resource_id,
                        "status": instance.status,
                        "address": region.hosting.address(instance.identifier),
                        "port": instance.port,
                        "engine_version": instance.engine_version,
                        "directory": str(instance.server.directory) if instance.server is not None else None,
                    }
                    for instance in region.instances.values()
                ]
        return {"instances": descriptions}

    def inject(self, fault: dict[str, Any]) -> None:
        kind = fault.pop("kind", None)
        match kind:
            case "throttle" | "error" | "slow":
                self._faults.add(Fault(kind, **fault))
            case "fail-restore":
                self._faults.fail_restores(
                    [fault.get("status", "incompatible-restore")] * fault.get("count", 1)
                )
            case "fail-copy":
                self._faults.fail_copies(fault.get("count", 1))
            case "refuse-procedure":
                self._faults.refuse_procedure(_action(str(fault["procedure"])), str(fault["message"]))
            case "purge":
                self._faults.purge()
            case "duration":
                self._clock.override(str(fault["what"]), float(fault["seconds"]))
            case _ if kind in _OF_INSTANCES:
                self._on_instance(str(kind), fault)
            case _:
                self._in_region(str(kind), fault)

    def _in_region(self, kind: str, fault: dict[str, Any]) -> None:
        region = self._rds.region(self._region)
        match kind:
            case "quota":
                self._allow(str(fault["name"]), int(fault["maximum"]))
            case "lag":
                region.mirror.lag(int(fault["ms"]) / 1000, lambda: instances.to_be_seen(region))
            case "proxies-follow":
                region.proxies_follow = bool(fault.get("follow", True))
            case "heartbeat":
                self._keep_books(fault)
            case _:
                raise LookupError(f"There is no fault of the kind {kind!r}.")

    def _allow(self, name: str, maximum: int) -> None:
        quotas = self._rds.region(self._region).quotas
        if name not in quotas:
            raise LookupError(f"There is no quota {name}: {', '.join(quotas)} are known.")
        quotas[name] = maximum

    def _keep_books(self, fault: dict[str, Any]) -> None:
        if fault.get("seconds") is not None:
            self._clock.override("heartbeat", float(fault["seconds"]))
        self._rds.region(self._region).hosting.bookkeeping = Bookkeeping(
            under_read_only=bool(fault.get("under_read_only", True)),
            qualified=bool(fault.get("qualified", True)),
        )

    def _named(self, region: Region, named: str) -> DBInstance:
        """Return the instance of that name or DbiResourceId, if it has a server."""
        with region.lock:
            try:
                instance = region.instances.get(named) or region.instance(named, known_only=False)
            except RDSError as error:
                raise LookupError(error.message) from error
        if instance.server is None:
            raise LookupError(f"The instance {instance.identifier} has no server yet.")
        return instance

    def _on_instance(self, kind: str, fault: dict[str, Any]) -> None:
        region = self._rds.region(self._region)
        instance = self._named(region, str(fault["instance"]))
        server = region.hosting.server(instance)
        match kind:
            case "kill":
                server.kill()
                instance.frozen = False
                if fault.get("restart", True):
                    threading.Thread(target=self._recover, args=(region, instance), daemon=True).start()
            case "freeze":
                instance.frozen = True
                server.freeze()
            case "thaw":
                server.thaw()
                instance.frozen = False
            case "status":
                with region.lock:
                    instance.status = str(fault["status"])
                    instance.optimized_at = instance.initialized_at = 0.0
            case "refuse-replicas":
                server.refuse_replicas(refused=bool(fault.get("refused", True)))
            case "automated-backup":
                instance.worker.submit(lambda: transitions.back_up(region, instance))
            case "grow" | "reboot" | "stop" | "delete" | "owned-key":
                with region.lock:
                    _happen(region, instance, kind, fault)

    def _recover(self, region: Region, instance: DBInstance) -> None:
        """Start a crashed server again, as RDS's host manager does."""
        try:
            self._clock.pause("recovery")
        except Closing:
            return
        with region.lock:
            region.tell(instance, "DB instance has crashed: recovery started", "recovery")
        instance.worker.submit(lambda: self._restart(region, instance))

    @staticmethod
    def _restart(region: Region, instance: DBInstance) -> None:
        if instance.server is not None and not instance.server.running() and instance.status == "available":
            region.hosting.launch(instance)
            with region.lock:
                region.tell(instance, "DB instance restarted", "availability", "recovery")


def _action(procedure: str) -> str:
    """Return what a procedure leaves in the history when it begins."""
    try:
        return _ACTIONS[procedure.removeprefix("mysql.")]
    except KeyError as error:
        raise LookupError(
            f"No refusal of {procedure} can be injected: {', '.join(_ACTIONS)} are known."
        ) from error


def _happen(region: Region, instance: DBInstance, kind: str, fault: dict[str, Any]) -> None:
    """Let something happen to an instance that nobody in this account asked for by the API."""
    match kind:
        case "grow":
            instance.settings["AllocatedStorage"] = int(fault["gib"])
            transitions.grow(region, instance)
            # RDS-EVENT-0218
            region.tell(
                instance,
                "Finished applying autoscaling-initiated modification to allocated storage",
                "configuration change",
            )
        case "reboot":
            # RDS-EVENT-0396
            region.tell(
                instance,
                "Amazon RDS has scheduled a reboot for this read replica in this instance's next maintenance window after "
                "internal user password rotation",
                "availability",
            )
            instance.status = "rebooting"
            instance.worker.submit(lambda: transitions.reboot(region, instance))
        case "stop":
            instance.status = "stopping"
            instance.worker.submit(lambda: transitions.stop(region, instance))
        case "delete":
            instance.status = "deleting"
            instance.worker.submit(lambda: transitions.delete(region, instance, None, keep_backups=False))
        case "owned-key":
            instance.kms_key_arn, instance.encryption = None, OwnedKey(shown=bool(fault.get("shown", True)))
