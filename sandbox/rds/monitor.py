"""The monitor: asks the servers now and then what RDS's description of them says, and purges binary logs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pymysql

from sandbox.mysql.errors import MySQLServerError
from sandbox.rds.api import RDS
from sandbox.rds.clock import Closing, TimeModel
from sandbox.rds.hosting import read_replication
from sandbox.rds.model import DBInstance
from sandbox.rds.region import Region

__all__ = ["Monitor"]

_log = logging.getLogger(__name__)
_INTERVAL = 0.5


class Monitor:
    """One thread that looks at every replica twice a second, and purges now and then."""

    def __init__(self, rds: RDS, clock: TimeModel) -> None:
        self._rds = rds
        self._clock = clock
        self._next_purge = time.monotonic() + clock.seconds("purge")

    def start(self) -> None:
        threading.Thread(target=self._run, name="monitor", daemon=True).start()

    def _run(self) -> None:
        try:
            while True:
                self._clock.sleep(_INTERVAL)
                purging = time.monotonic() >= self._next_purge
                for region in self._rds.regions():
                    self._look(region)
                    if purging:
                        self._purge(region)
                if purging:
                    self._next_purge = time.monotonic() + self._clock.seconds("purge")
        except Closing:
            return

    def _look(self, region: Region) -> None:
        with region.lock:
            replicas = [
                each for each in region.instances.values() if each.source is not None and not each.frozen
            ]
        for replica in replicas:
            self._ask(replica, lambda replica=replica: self._see(region, replica))  # type: ignore[misc]

    def _purge(self, region: Region) -> None:
        with region.lock:
            sources = [
                (each, region.replicas_of(each))
                for each in region.instances.values()
                if each.retention > 0 and each.status == "available" and not each.frozen
            ]
        for source, replicas in sources:
            server = source.server
            known = [
                each.server
                for each in replicas
                if each.server is not None and each.answers and not each.frozen
            ]
            # A replica that is being made, or is frozen, can't say what it needs: then nothing goes.
            if server is not None and server.running() and len(known) == len(replicas):
                self._ask(source, lambda server=server, known=known: server.purge_binlogs(known))  # type: ignore[misc]

    @staticmethod
    def _see(region: Region, replica: DBInstance) -> None:
        if replica.server is None or not replica.server.running() or not replica.answers:
            return
        seen = read_replication(replica.server)
        with region.lock:
            if seen != replica.replication:
                replica.replication = seen
                region.tell(replica, f"Replication for the Read Replica is {seen.status}", "read replica")

    @staticmethod
    def _ask(instance: DBInstance, question: Callable[[], object]) -> None:
        try:
            question()
        except (pymysql.Error, MySQLServerError, OSError) as error:
            # A server that is just being stopped, started or frozen: the next look will tell.
            _log.debug("Instance %s does not answer the monitor: %s", instance.identifier, error)
