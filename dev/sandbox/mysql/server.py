"""One mysqld with its data directory, hosted as RDS hosts it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql

from dev.sandbox.mysql import binlogs, bookkeeping, processes, replication, sessions
from dev.sandbox.mysql.accounts import (
    REPLICATION_USER,
    HostSecrets,
    first_start,
    identified,
    master_grants,
    quoted,
)
from dev.sandbox.mysql.binaries import MySQLBinaries
from dev.sandbox.mysql.bookkeeping import Bookkeeping
from dev.sandbox.mysql.certificates import CertificateAuthority, ServerCertificate
from dev.sandbox.mysql.copies import copy_tree
from dev.sandbox.mysql.errors import MySQLServerError
from dev.sandbox.mysql.gateway import GatewaySettings
from dev.sandbox.mysql.options import BINLOG_BASE, Listening, defaults, option_file
from dev.sandbox.mysql.parameters import apply_parameters
from dev.sandbox.mysql.readiness import await_ready
from dev.sandbox.mysql.sessions import SOCKET, AdminSession, admin_session, execute, query
from dev.sandbox.mysql.state import Coordinates, DataState
from dev.sandbox.mysql.template import template

__all__ = ["Coordinates", "MySQLServer"]

_LOG = logging.getLogger(__name__)
_STOP_DEADLINE = 15.0
_LAST_SESSION_ENDS = 0.02
_FIRST_START = "first-start.sql"
_EACH_START = "each-start.sql"


class MySQLServer:
    """One mysqld process with its data directory.

    In `directory`: `data/`, `tls/`, `my.cnf`, `mysqld.log`, `mysqld.sock` (for rdsadmin), `mysqld.pid`. Methods may be
    called from several threads: one that changes the process waits for another, except `kill`.
    """

    def __init__(
        self,
        *,
        directory: Path,
        binaries: MySQLBinaries,
        address: str,
        port: int,
        server_id: int,
        certificates: CertificateAuthority,
    ) -> None:
        self.directory = directory.resolve()
        self.version = binaries.version
        self.address = address
        self.port = port
        self.server_id = server_id
        self._binaries = binaries
        self._certificates = certificates
        self._process: subprocess.Popen[bytes] | None = None
        self._gateway: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self._real_pauses = False
        self.starts = 0
        self.replicating_since = 0
        """The start (by number) after which managed replication began: the agent has nothing to resume after that one."""
        """How often it has been started since this object was made."""
        self._changing = threading.RLock()

    # Birth

    def initialise(
        self,
        *,
        master_user: str,
        master_password: str,
        database: str | None,
        lower_case_table_names: int = 0,
    ) -> None:
        """A data directory from the template; the accounts and the database are made when the server first starts.

        An 8.0 must be started with the `lower_case_table_names` that it was initialised with.
        """
        made = template(self._binaries, lower_case_table_names=lower_case_table_names)
        copy_tree(made, self.data)
        host = HostSecrets.new()
        first = first_start(
            self._binaries, host, user=master_user, password=master_password, database=database
        )
        file = self.directory / _FIRST_START
        file.touch(mode=0o600)
        file.write_text("".join(f"{statement};\n" for statement in first))
        host.write(self.data)

    def adopt(self, snapshot: Path) -> None:
        """A data directory from what `copy_data` wrote (which is copied again, and stays as it is).

        At its first start the copy recovers, gets a server_uuid of its own and forgets the source it may have followed.
        The marker of a managed replica stays, as it does on RDS.
        """
        copy_tree(snapshot, self.data)

    # The process

    def start(self, parameters: Mapping[str, str], *, binlog: bool, real_pauses: bool = False) -> None:
        """Start, and return when it accepts connections.

        `parameters` are plain values that win over RDS's defaults. RDS's procedures pause for seconds: with `real_pauses` they
        do; without, only where the pause decides what a call ends with. A source that cannot be reached is then tried again
        after 1 s, too, not after 60, and InnoDB does not wait for the disk. Replication does not start by itself: see
        `resume_replication`.
        """
        with self._changing:
            if self.running():
                raise MySQLServerError(f"The server in {self.directory} runs already.")
            self._real_pauses = real_pauses
            state = DataState.of(self.data)
            if state.fresh_copy and state.binlog != binlog:
                self._recover(parameters, state)
                state = DataState.of(self.data)
            self._start(parameters, self._listening(), binlog=binlog)
            if state.fresh_copy:
                state = self._settle(state)
            replace(state, binlog=binlog).write(self.data)
            if not self._binaries.speaks_modern_tls:
                self._open_gateway()
            self.starts += 1

    def stop(self) -> None:
        """Shut down in order; a server that does not end in time is killed, with a warning in the log."""
        with self._changing:
            process = self._process
            if process is None:
                return
            if process.poll() is None:
                self.thaw()
                self._close_gateway()  # nobody new gets in while the sessions are being ended
                self._quieten()
                if not processes.terminate(process, deadline=_STOP_DEADLINE):
                    _LOG.warning(
                        "mysqld in %s did not end in %.0f s and was killed.", self.directory, _STOP_DEADLINE
                    )
            self._ended()

    def kill(self) -> None:
        """End it at once, as a crash of the host would; one that is being started is allowed to come up first.

        RDS repeats a start that a crash has interrupted. Here nobody would: it would be down for good.
        """
        with self._changing:
            for process in (self._process, self._gateway):
                if process is not None:
                    process.kill()
                    process.wait()
            self._ended()

    def freeze(self) -> None:
        """Stop all its threads: connections are accepted by the kernel, and nothing answers."""
        with self._changing:
            processes.freeze(self._alive())
            self._frozen = True

    def thaw(self) -> None:
        """Resume a frozen server."""
        with self._changing:
            if self._process is not None and self._frozen:
                processes.thaw(self._process)
            self._frozen = False

    def running(self) -> bool:
        """Whether the process lives (a frozen one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id of mysqld."""
        return self._process.pid if self._process is not None and self.running() else None

    def move_to(self, address: str) -> None:
        """Listen elsewhere from the next start on, with a certificate for that address (only while stopped)."""
        with self._changing:
            if self.running():
                raise MySQLServerError(
                    f"The server in {self.directory} runs: stop it before it moves to {address}."
                )
            self.address = address

    # Data

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def copy_data(self, target: Path) -> None:
        """A consistent copy, of a running or a stopped server: all threads are stopped while it is taken."""
        with self._changing:
            process = self._process if self.running() else None
            state = DataState.of(self.data)
            if process is not None and not self._frozen:
                processes.freeze(process)
            try:
                copy_tree(self.data, target)
            finally:
                if process is not None and not self._frozen:
                    processes.thaw(process)
        state.copied(target, f"{BINLOG_BASE}.index").write(target)

    def origin(self) -> Coordinates | None:
        """Where the origin's binary log stood when this copy of it was taken (known after the first start)."""
        return DataState.of(self.data).origin

    # Sessions, parameters, accounts

    @contextmanager
    def admin(self) -> Iterator[AdminSession]:
        """A session of rdsadmin over the unix socket (autocommit, not written to the binary log)."""
        with admin_session(self.directory, HostSecrets.of(self.data).admin) as session:
            yield session

    def set_parameters(self, parameters: Mapping[str, str | None]) -> list[str]:
        """Set what is dynamic (None: back to the default); returns the names that wait for a restart."""
        with self.admin() as session:
            return apply_parameters(session, parameters, defaults(self._binaries))

    def set_master_password(self, user: str, password: str) -> None:
        """A new password; as on RDS, it also gives the master user back what it may do."""
        account = f"{quoted(user)}@'%'"
        with self.admin() as session:
            how = identified(self._binaries, password)
            execute(session, f"CREATE USER IF NOT EXISTS {account} {how}")
            execute(session, f"ALTER USER {account} {how} ACCOUNT UNLOCK")
            for statement in master_grants(self._binaries, account):
                execute(session, statement)

    # Replication

    def replicate_from(self, source: MySQLServer, coordinates: Coordinates | None = None) -> None:
        """Make this a managed replica of `source`, and start replication.

        Without coordinates it begins where this copy of the source was taken.
        """
        with self.admin() as session:
            replication.change_source(
                session,
                host=source.address,
                port=source.port,
                password=HostSecrets.of(source.data).replication,
                coordinates=coordinates or self.origin(),
                retry=60 if self._real_pauses else 1,
            )
            replication.mark_managed(session, managed=True)
            execute(session, "START SLAVE")
        self.replicating_since = self.starts

    def resume_replication(self) -> bool:
        """What RDS's agent does soon after each start: mysqld runs with skip_slave_start. False: nothing to start."""
        with self.admin() as session:
            return replication.resume(session)

    def refuse_replicas(self, *, refused: bool) -> None:
        """Keep managed replicas of this server from connecting, those that are connected included; or let them again."""
        with self.admin() as session:
            what = "LOCK" if refused else "UNLOCK"
            execute(session, f"ALTER USER '{REPLICATION_USER}'@'%' ACCOUNT {what}")
            if refused:
                sessions.end_those_of(session, REPLICATION_USER)

    def follow(self, source: MySQLServer) -> None:
        """Find a managed replica's source again at the address that a rename gave it."""
        with self.admin() as session:
            replication.point_at(session, host=source.address, port=source.port)

    def promote(self) -> None:
        """End managed replication: what was received is applied, then the source is forgotten and the marker cleared."""
        with self.admin() as session:
            replication.drain(session)
            replication.clear(session)
            replication.mark_managed(session, managed=False)

    def clear_replication(self) -> None:
        """Forget any source, managed or external; the marker stays."""
        with self.admin() as session:
            replication.clear(session)

    def set_managed_replica(self, *, managed: bool) -> None:
        """The marker that makes `mysql.rds_set_external_master` and `…_reset_…` refuse."""
        with self.admin() as session:
            replication.mark_managed(session, managed=managed)

    def replication_status(self) -> dict[str, Any] | None:
        """SHOW SLAVE STATUS, None where no source is configured."""
        with self.admin() as session:
            return replication.status(session)

    def coordinates(self) -> Coordinates | None:
        """SHOW MASTER STATUS, None where the binary log is off."""
        with self.admin() as session:
            return replication.source_coordinates(session)

    def heartbeat(self, how: Bookkeeping) -> bool:
        """Write RDS's heartbeat; False where it is not written."""
        with self.admin() as session:
            return bookkeeping.heartbeat(session, how)

    def mark_backup(self, how: Bookkeeping) -> bool:
        """Write what RDS writes when a backup begins; False where it is not written."""
        with self.admin() as session:
            return bookkeeping.mark_backup(session, how)

    def refuse_procedure(self, action: str | None, why: str | None) -> None:
        """Let RDS's procedure for an action refuse its next call; ``None``: none any more."""
        with self.admin() as session:
            execute(session, "UPDATE mysql.rds_sandbox SET refused = %s, refusal = %s", (action, why))

    def keeps_binlogs(self) -> bool:
        """Whether a retention is set."""
        with self.admin() as session:
            return binlogs.retention_hours(session) is not None

    def follows(self, other: MySQLServer) -> bool:
        """Whether it is set up to replicate from the other, running or not."""
        status = self.replication_status()
        return status is not None and status["Master_Host"] == other.address

    def purge_binlogs(
        self,
        replicas: Callable[[], Iterable[MySQLServer] | None] = list,
        *,
        how: Bookkeeping | None = None,
        despite_retention: bool = False,
    ) -> list[str]:
        """Rotate and purge as RDS does every few minutes; returns the files that went.

        With `how`, a heartbeat is the first event of a file that this begins.
        `replicas` gives its managed replicas, which hold what they have not applied, also while stopped. One that does not
        run cannot say what it needs, nor can one that is being made (none): then nothing is purged.
        """

        def held() -> list[str] | None:
            if (followers := replicas()) is None:
                return None
            needed = []
            for replica in followers:
                if not replica.running():
                    return None
                if (status := replica.replication_status()) is not None:
                    needed.append(str(status["Relay_Master_Log_File"]))
            return needed

        with self.admin() as session:
            if replication.source_coordinates(session) is None:
                return []
            return binlogs.purge_binlogs(
                session,
                self.data,
                held,
                rotated=lambda: how is not None and self.heartbeat(how),
                despite_retention=despite_retention,
            )

    # How

    def _start(self, parameters: Mapping[str, str], listening: Listening, *, binlog: bool) -> None:
        first = self.directory / _FIRST_START
        each_start = self._write_each_start(first)
        file = self.directory / "my.cnf"
        option_file(
            file,
            binaries=self._binaries,
            listening=listening,
            parameters=parameters,
            binlog=binlog,
            flushed=self._real_pauses,
            init_file=each_start,
        )
        log = self.directory / "mysqld.log"
        # After a kill they are still there, and the lock's process id may be somebody else's by now.
        for left in (SOCKET, f"{SOCKET}.lock"):
            (self.directory / left).unlink(missing_ok=True)
        process = processes.spawn([self._binaries.mysqld, f"--defaults-file={file}"], log=log)
        self._process = process
        self._frozen = False
        try:
            await_ready(process, self._ping, log)
        except BaseException:
            process.kill()
            process.wait()
            self._ended()
            raise
        finally:
            each_start.unlink(missing_ok=True)
        first.unlink(missing_ok=True)

    def _write_each_start(self, first: Path) -> Path:
        """The statements that mysqld runs before it lets anybody in; none of them is logged."""
        # A parameter group may say otherwise for sessions.
        statements = ["SET SESSION sql_log_bin = 0, autocommit = 1, sql_mode = '', sql_safe_updates = 0;"]
        if first.exists():
            statements.append(first.read_text())
        statements.append(f"UPDATE mysql.rds_sandbox SET real_pauses = {self._real_pauses:d};")
        file = self.directory / _EACH_START
        file.touch(mode=0o600)
        file.write_text("\n".join(statements) + "\n")
        return file

    def _recover(self, parameters: Mapping[str, str], state: DataState) -> None:
        """Run a copy once, unseen, with the binary log as its origin had it.

        Transactions that were being committed are decided by what the binary log says, so recovery needs it.
        """
        unseen = Listening(server_id=self.server_id, address=None, port=self.port, certificate=None)
        quiet = {**parameters, "event_scheduler": "OFF"}
        self._start(quiet, unseen, binlog=state.binlog)
        try:
            self._settle(state)
        finally:
            self.stop()

    def _settle(self, state: DataState) -> DataState:
        """Let a copy that has just recovered forget whom it followed, and note where its origin's binary log stood."""
        with self.admin() as session:
            replication.clear(session)
            sizes: dict[str, int] = {}
            if state.binlog:
                sizes = {row["Log_name"]: row["File_size"] for row in query(session, "SHOW BINARY LOGS")}
        taken_at = None
        if state.taken_in is not None and state.taken_in in sizes:
            taken_at = (state.taken_in, sizes[state.taken_in])
        settled = replace(state, fresh_copy=False, taken_at=taken_at)
        settled.write(self.data)
        return settled

    def _listening(self) -> Listening:
        address = self.address if self._binaries.speaks_modern_tls else behind_gateway(self.address)
        return Listening(self.server_id, address, self.port, self._certificate())

    def _certificate(self) -> ServerCertificate:
        return self._certificates.issue(self.address, self.directory / "tls")

    def _open_gateway(self) -> None:
        certificate = self._certificate()
        settings = self.directory / "gateway.json"
        GatewaySettings(
            server_address=behind_gateway(self.address),
            server_port=self.port,
            certificate=str(certificate.certificate),
            key=str(certificate.key),
        ).write(settings)
        program = Path(__file__).with_name("gateway.py")
        # Listening begins here, so that whoever connects after start() has returned is never refused.
        with socket.create_server((self.address, self.port), backlog=128) as listener:
            descriptor = listener.fileno()
            self._gateway = processes.spawn(
                [sys.executable, program, settings, str(descriptor)],
                log=self.directory / "gateway.log",
                inherit=(descriptor,),
            )

    def _ping(self) -> None:
        with self.admin() as session:
            session.ping(reconnect=False)

    def _quieten(self) -> None:
        """Leave mysqld nobody to wait for: its shutdown gives threads 2 s to end, and senders of the binary log 10 s."""
        try:
            with self.admin() as session:
                sessions.end_all(session)
        except pymysql.err.MySQLError as error:
            _LOG.warning(
                "The sessions of %s could not be ended before its shutdown: %s", self.directory, error
            )
        time.sleep(_LAST_SESSION_ENDS)

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or not self.running():
            raise MySQLServerError(f"The server in {self.directory} does not run.")
        return self._process

    def _close_gateway(self) -> None:
        if self._gateway is not None:
            processes.terminate(self._gateway, deadline=5.0)
        self._gateway = None

    def _ended(self) -> None:
        self._close_gateway()
        self._process = None
        self._frozen = False


def behind_gateway(address: str) -> str:
    """Where a server listens whose public address is the gateway's: 127.205.x.y for 127.77.x.y."""
    first, second, rest = address.split(".", 2)
    return f"{first}.{(int(second) + 128) % 256}.{rest}"
