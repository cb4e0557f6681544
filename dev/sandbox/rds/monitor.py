"""The monitor: what RDS does on its instances of its own accord, now and then.

It asks replicas what RDS's description of them says, writes heartbeats, begins new binary logs and purges old ones, and
resumes replication after a server was started.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pymysql

from dev.sandbox.mysql.errors import MySQLServerError
from dev.sandbox.mysql.server import MySQLServer
from dev.sandbox.rds.api import RDS
from dev.sandbox.rds.clock import Closing, TimeModel
from dev.sandbox.rds.hosting import read_replication
from dev.sandbox.rds.model import DBInstance
from dev.sandbox.rds.region import Region

__all__ = ["Monitor"]

_log = logging.getLogger(__name__)

# RDS-EVENT-0046, 0062, 0045, 0057
_EVENTS = {
    "replicating": "Replication for the Read Replica resumed",
    "stopped": "Replication for the Read Replica has been manually stopped",
    "error": "Replication has stopped",
    "terminated": "Replication streaming has been terminated",
}
# RDS describes replication late, and each look is a login on a server of the tests.
_INTERVAL = 0.5
_AGENTS_INTERVAL = 0.25


class Monitor:
    """One thread that looks at every instance several times a second, and does what is due."""

    def __init__(self, rds: RDS, clock: TimeModel) -> None:
        self._rds = rds
        self._clock = clock
        self._next_purge = time.monotonic() + clock.seconds("purge")
        self._heartbeats: dict[str, float] = {}
        self._resumed: dict[str, tuple[int, float | None]] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, name="monitor", daemon=True).start()
        # RDS's agent is prompt, however busy the monitor is.
        threading.Thread(target=self._run_agent, name="agent", daemon=True).start()

    def _run_agent(self) -> None:
        try:
            while True:
                self._clock.sleep(_AGENTS_INTERVAL)
                for region in self._rds.regions():
                    for instance, server in self._serving(region):
                        self._ask(instance, partial(self._resume, instance, server))
                        self._ask(instance, partial(self._refuse, region, instance, server))
        except Closing:
            return

    def _run(self) -> None:
        try:
            while True:
                self._clock.sleep(_INTERVAL)
                purging = time.monotonic() >= self._next_purge
                for region in self._rds.regions():
                    self._look(region)
                    if purging:
                        self._purge(region)
                        self._purge_early(region)
                    for instance, server in self._serving(region):
                        if instance.source is None:
                            self._ask(instance, partial(self._beat, region, instance, server))
                if purging:
                    self._next_purge = time.monotonic() + self._clock.seconds("purge")
        except Closing:
            return

    def _look(self, region: Region) -> None:
        with region.lock:
            replicas = [
                instance
                for instance in region.instances.values()
                if instance.source is not None and not instance.frozen
            ]
        for replica in replicas:
            self._ask(replica, partial(self._see, region, replica))

    @staticmethod
    def _serving(region: Region) -> Iterator[tuple[DBInstance, MySQLServer]]:
        with region.lock:
            instances = [
                instance for instance in region.instances.values() if instance.answers and not instance.frozen
            ]
        for instance in instances:
            if instance.server is not None and instance.server.running():
                yield instance, instance.server

    def _purge(self, region: Region) -> None:
        with region.lock:
            sources = [
                instance
                for instance in region.instances.values()
                if instance.retention > 0 and instance.answers and not instance.frozen
            ]
        for source in sources:
            server = source.server
            how = region.hosting.bookkeeping if source.source is None else None
            if server is not None and server.running():
                self._ask(
                    source, partial(server.purge_binlogs, partial(self._replicas, region, source), how=how)
                )

    @staticmethod
    def _replicas(region: Region, source: DBInstance) -> list[MySQLServer] | None:
        """The servers of its replicas; none while one is being made, or is frozen: it can't say what it needs."""
        with region.lock:
            replicas = region.replicas_of(source)
            known = [
                replica.server
                for replica in replicas
                if replica.server is not None and replica.answers and not replica.frozen
            ]
        return known if len(known) == len(replicas) else None

    def _purge_early(self, region: Region) -> None:
        """Purge against the retention where a test has said so: only what none of an instance's followers needs."""
        instances, servers = [], []
        for instance, server in self._serving(region):
            instances.append(instance)
            servers.append(server)
        # A follower that is being made, or does not run, can't say what it needs.
        if len(servers) < len(region.instances):
            return
        for instance in instances:
            if instance.retention > 0 and region.faults.purges(instance.resource_id):
                self._ask(instance, partial(self._purge_once, region, instance, servers))

    @staticmethod
    def _purge_once(region: Region, instance: DBInstance, servers: list[MySQLServer]) -> None:
        server = region.hosting.server(instance)
        followers = [follower for follower in servers if follower.follows(server)]
        # Where nobody follows, coordinates may have been noted for a follower to come.
        if (
            followers
            and server.keeps_binlogs()
            and server.purge_binlogs(lambda: followers, despite_retention=True)
        ):
            region.faults.met("purge", instance.resource_id)

    @staticmethod
    def _refuse(region: Region, instance: DBInstance, server: MySQLServer) -> None:
        if (refusal := region.faults.refusal(instance.resource_id)) is not None:
            server.refuse_procedure(*refusal)
            region.faults.met("refusal", instance.resource_id)

    def _beat(self, region: Region, instance: DBInstance, server: MySQLServer) -> None:
        # Measured from the last one, so that a change of the interval counts at once.
        last = self._heartbeats.get(instance.resource_id)
        if last is not None and time.monotonic() < last + self._clock.seconds("heartbeat"):
            return
        self._heartbeats[instance.resource_id] = time.monotonic()
        server.heartbeat(region.hosting.bookkeeping)

    def _resume(self, instance: DBInstance, server: MySQLServer) -> None:
        """Once for each start of the server, a moment after it."""
        starts, due = self._resumed.get(instance.resource_id, (0, None))
        if server.starts == server.replicating_since:
            # It has just been made a replica; on a busy machine, resuming late would undo what a client has stopped since.
            self._resumed[instance.resource_id] = (server.starts, None)
        elif server.starts != starts:
            due = time.monotonic() + self._clock.seconds("agent")
            self._resumed[instance.resource_id] = (server.starts, due)
        elif due is not None and time.monotonic() >= due:
            self._resumed[instance.resource_id] = (starts, None)
            server.resume_replication()

    @staticmethod
    def _see(region: Region, replica: DBInstance) -> None:
        if replica.server is None or not replica.server.running() or not replica.answers:
            return
        replication = read_replication(replica.server)
        with region.lock:
            if replication != replica.replication:
                replica.replication = replication
                region.tell(replica, _EVENTS.get(replication.status, _EVENTS["error"]), "read replica")

    @staticmethod
    def _ask(instance: DBInstance, question: Callable[[], object]) -> None:
        try:
            question()
        except (pymysql.Error, MySQLServerError, OSError) as error:
            # A server that is just being stopped, started or frozen: the next look will tell.
            _log.debug("Instance %s does not answer the monitor: %s", instance.identifier, error)
