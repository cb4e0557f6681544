"""What tests may do to a sandbox behind the API's back: look at it, and break things."""

from __future__ import annotations

import logging
import threading
from typing import Any

from sandbox.faults import Fault, FaultBook
from sandbox.mysql.bookkeeping import Bookkeeping
from sandbox.rds import backups, instances
from sandbox.rds.api import RDS
from sandbox.rds.clock import Closing, TimeModel
from sandbox.rds.errors import RDSError
from sandbox.rds.model import DBInstance
from sandbox.rds.region import Region

__all__ = ["Control"]

_log = logging.getLogger(__name__)


class Control:
    """Carries out what is posted to the fault API; a request that makes no sense raises LookupError or ValueError."""

    def __init__(self, rds: RDS, faults: FaultBook, clock: TimeModel, region: str) -> None:
        self._rds = rds
        self._faults = faults
        self._clock = clock
        self._region = region

    def status(self) -> dict[str, Any]:
        """Say which instances there are, in all regions."""
        found = []
        for region in self._rds.regions():
            with region.lock:
                found += [
                    {
                        "region": region.name,
                        "identifier": each.identifier,
                        "resource_id": each.resource_id,
                        "status": each.status,
                        "address": region.hosting.address(each.identifier),
                        "port": each.port,
                        "engine_version": each.engine_version,
                        "directory": str(each.server.directory) if each.server is not None else None,
                    }
                    for each in region.instances.values()
                ]
        return {"instances": found}

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
            case "quota":
                region = self._rds.region(self._region)
                if fault["name"] not in region.quotas:
                    raise LookupError(
                        f"There is no quota {fault['name']}: {', '.join(region.quotas)} are known."
                    )
                region.quotas[fault["name"]] = int(fault["maximum"])
            case "lag":
                region = self._rds.region(self._region)
                region.mirror.lag(int(fault["ms"]) / 1000, lambda: instances.to_be_seen(region))
            case "heartbeat":
                seconds = fault.get("seconds")
                self._rds.region(self._region).hosting.bookkeeping = Bookkeeping(
                    self._clock.seconds("heartbeat") if seconds is None else float(seconds),
                    under_read_only=bool(fault.get("under_read_only", True)),
                    qualified=bool(fault.get("qualified", True)),
                )
            case "kill" | "freeze" | "thaw" | "automated-backup" | "status" | "refuse-replicas":
                self._on_instance(kind, fault)
            case _:
                raise LookupError(f"There is no fault of the kind {kind!r}.")

    def _on_instance(self, kind: str, fault: dict[str, Any]) -> None:
        region = self._rds.region(self._region)
        with region.lock:
            try:
                instance = region.instance(fault["instance"], known_only=False)
            except RDSError as error:
                raise LookupError(error.message) from error
        if instance.server is None:
            raise LookupError(f"The instance {instance.identifier} has no server yet.")
        match kind:
            case "kill":
                instance.server.kill()
                instance.frozen = False
                if fault.get("restart", True):
                    threading.Thread(target=self._recover, args=(region, instance), daemon=True).start()
            case "freeze":
                instance.frozen = True
                instance.server.freeze()
            case "thaw":
                instance.server.thaw()
                instance.frozen = False
            case "status":
                with region.lock:
                    instance.status = str(fault["status"])
            case "refuse-replicas":
                instance.server.refuse_replicas(refused=bool(fault.get("refused", True)))
            case "automated-backup":
                instance.worker.submit(lambda: backups.take(region, instance))

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
