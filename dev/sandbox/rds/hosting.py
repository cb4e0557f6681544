"""The servers behind the instances: where each listens, what it is started with, how one comes from another's data."""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymysql

from dev.sandbox.mysql.binaries import MySQLBinaries, find_binaries
from dev.sandbox.mysql.bookkeeping import Bookkeeping
from dev.sandbox.mysql.certificates import CertificateAuthority
from dev.sandbox.mysql.copies import copy_tree
from dev.sandbox.mysql.errors import MySQLServerError
from dev.sandbox.mysql.server import MySQLServer
from dev.sandbox.network import Network
from dev.sandbox.rds.model import DBInstance, DBSnapshot, ParameterStatus, Replication
from dev.sandbox.rds.parameters import AccountInventory, evaluate, server_settings

__all__ = ["Hosting", "inventory", "read_replication"]

_log = logging.getLogger(__name__)


def inventory(instance: DBInstance) -> AccountInventory:
    return AccountInventory(
        instance_class=instance.settings["DBInstanceClass"],
        allocated_storage=instance.settings["AllocatedStorage"],
        port=instance.port,
        is_replica=instance.source is not None,
    )


def _binaries(instance: DBInstance) -> MySQLBinaries:
    """By its series: where a mirror has moved on, another release of it takes the place of the one that is pinned."""
    return find_binaries(instance.engine_version.rpartition(".")[0])


class Hosting:
    """Makes, starts and stops servers; nothing here knows of statuses or of the API."""

    def __init__(
        self,
        directory: Path,
        network: Network,
        certificates: CertificateAuthority,
        *,
        real_pauses: bool = False,
    ) -> None:
        self.bookkeeping = Bookkeeping()
        self._real_pauses = real_pauses
        self._directory = directory
        self._network = network
        self._certificates = certificates
        self._server_ids = itertools.count(1001)
        self._lock = threading.Lock()

    def address(self, identifier: str) -> str:
        """Return the address that is the identifier's DNS name in this sandbox."""
        return self._network.address(identifier)

    def snapshot_directory(self, resource_id: str) -> Path:
        return self._directory / "snapshots" / resource_id

    def initialise(self, instance: DBInstance) -> None:
        """Give a new instance a server with an empty data directory."""
        server = self._new_server(instance)
        server.initialise(
            master_user=instance.master_username,
            master_password=instance.master_password,
            database=instance.db_name,
            lower_case_table_names=int(instance.parameter_group.values.get("lower_case_table_names") or "0"),
        )
        instance.server = server

    def adopt(self, instance: DBInstance, data: Path) -> None:
        """Give a new instance a server on a copy of the data of another."""
        server = self._new_server(instance)
        server.adopt(data)
        instance.server = server

    def _new_server(self, instance: DBInstance) -> MySQLServer:
        with self._lock:
            server_id = next(self._server_ids)
        return MySQLServer(
            directory=self._instance_directory(instance),
            binaries=_binaries(instance),
            address=self.address(instance.identifier),
            port=instance.port,
            server_id=server_id,
            certificates=self._certificates,
        )

    def launch(self, instance: DBInstance) -> None:
        """Start the server with what its parameter group says now; whatever waited for a restart is applied by it."""
        group = instance.parameter_group
        parameters = server_settings(group.family, group.values, inventory(instance))
        self.server(instance).start(parameters, binlog=instance.retention > 0, real_pauses=self._real_pauses)
        instance.parameter_status = ParameterStatus.IN_SYNC

    def halt(self, instance: DBInstance) -> None:
        self.server(instance).stop()

    def move(self, instance: DBInstance) -> None:
        """Let a stopped server listen at its instance's present name from its next start on."""
        self.server(instance).move_to(self.address(instance.identifier))

    def copy(self, instance: DBInstance, target: Path) -> None:
        """Copy an instance's data, running or stopped, as a backup does."""
        target.parent.mkdir(parents=True, exist_ok=True)
        server = self.server(instance)
        if instance.source is None and server.running() and not instance.frozen:
            try:
                server.mark_backup(self.bookkeeping)
            except (MySQLServerError, pymysql.Error, OSError) as error:
                # It is being ended, or its table is locked: the backup goes on without.
                _log.debug("No mark of the backup on %s: %s", instance.identifier, error)
        server.copy_data(target)

    def copy_snapshot(self, source: DBSnapshot, target: Path) -> None:
        copy_tree(source.directory, target)

    def apply(self, instance: DBInstance, changed: Mapping[str, str | None]) -> list[str]:
        """Bring changed parameters to a running server; returns those that need a restart."""
        defaults = server_settings(instance.parameter_group.family, {}, inventory(instance))
        values = {
            name: evaluate(value, inventory(instance), name) if value is not None else defaults.get(name)
            for name, value in changed.items()
        }
        return self.server(instance).set_parameters(values)

    def discard(self, instance: DBInstance) -> None:
        """End a server for good and remove its data."""
        if instance.server is not None:
            instance.server.kill()
        shutil.rmtree(self._instance_directory(instance), ignore_errors=True)

    @staticmethod
    def thaw_all(instances: Iterable[DBInstance]) -> None:
        """Let no transition wait for a frozen server."""
        for instance in instances:
            if instance.server is not None:
                instance.server.thaw()

    def stop_all(self, instances: Iterable[DBInstance]) -> None:
        """Stop all servers at once; one that does not stop is killed."""
        servers = [instance.server for instance in instances if instance.server is not None]
        with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
            list(pool.map(_stop_or_kill, servers))

    def server(self, instance: DBInstance) -> MySQLServer:
        if instance.server is None:
            raise RuntimeError(f"Instance {instance.identifier} has no server yet")
        return instance.server

    def _instance_directory(self, instance: DBInstance) -> Path:
        return self._directory / "instances" / instance.resource_id


def _stop_or_kill(server: MySQLServer) -> None:
    try:
        server.thaw()
        server.stop()
    except (MySQLServerError, pymysql.Error, OSError):
        _log.exception("The server at %s did not stop; it is killed", server.address)
        server.kill()


def read_replication(server: MySQLServer) -> Replication:
    """Return what RDS would say about a managed replica's replication."""
    status = server.replication_status()
    if status is None:
        return Replication("terminated")
    threads = (status["Slave_IO_Running"], status["Slave_SQL_Running"])
    errors = [str(status[name]) for name in ("Last_IO_Error", "Last_SQL_Error") if status.get(name)]
    if "No" not in threads:
        # A replica that tries to connect is still replicating, as RDS sees it; the message says what is the matter.
        return Replication("replicating", " ".join(errors))
    return Replication("error", " ".join(errors)) if errors else Replication("stopped")
