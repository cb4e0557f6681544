"""Bastions for tests: OpenSSH's own sshd where it is installed, and asyncssh's server, which is always at hand.

The client is OpenSSH's in either case.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh

from rds_encrypt.settings import SshSettings
from tests.waiting import until

__all__ = [
    "SSHD",
    "Keys",
    "Running",
    "asyncssh_server",
    "clients_of",
    "free_port",
    "left_of",
    "make_key",
    "openssh_server",
]

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
"""OpenSSH's server, if there is one."""

_CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host
AuthorizedKeysFile {directory}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
AllowTcpForwarding {forwarding}
MaxSessions 0
"""


@dataclass(frozen=True)
class Keys:
    """What a bastion and its client know each other by, in one directory."""

    directory: Path

    @classmethod
    def made(cls, directory: Path) -> Keys:
        directory.mkdir(parents=True)
        for name in ("host", "user"):
            make_key(directory / name)
        shutil.copy(directory / "user.pub", directory / "authorized")
        return cls(directory)

    def known_hosts(self, port: int, name: str = "known_hosts", *, key: str = "host") -> Path:
        """Write what the client knows of the bastion."""
        kind, value = (self.directory / f"{key}.pub").read_text("utf-8").split()[:2]
        file = self.directory / name
        file.write_text(f"[127.0.0.1]:{port} {kind} {value}\n", "utf-8")
        return file


@dataclass(frozen=True)
class Running:
    """A bastion that listens."""

    keys: Keys
    port: int
    asked: list[str] = field(default_factory=list)
    """Where asyncssh's server was asked to go on to; OpenSSH's does not tell."""

    @property
    def config(self) -> dict[str, Any]:
        """What a stack's config says of it."""
        told = self.bastion
        return {
            "via": "ssh",
            "ssh": {
                "host": told.host,
                "port": told.port,
                "user": told.user,
                "keyFile": told.key_file,
                "knownHostsFile": told.known_hosts_file,
            },
        }

    @property
    def bastion(self) -> SshSettings:
        """What the program is told of it."""
        return SshSettings(
            "127.0.0.1",
            self.port,
            pwd.getpwuid(os.getuid()).pw_name,
            str(self.keys.directory / "user"),
            str(self.keys.known_hosts(self.port)),
        )

    def with_key(self, name: str) -> SshSettings:
        make_key(self.keys.directory / name)
        return replace(self.bastion, key_file=str(self.keys.directory / name))


def make_key(file: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)


def clients_of(port: int | None) -> list[list[str]]:
    """Return the command lines of all ssh clients of a bastion, and of what checks them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = file.read_bytes().decode(errors="replace").split("\0")[:-1]
            if f"Port={port}" in words:
                found.append(words)
    return found


def left_of(port: int | None, seconds: float = 15.0) -> list[list[str]]:
    """Give the clients of a bastion, and their checks, time to end; return those that have not.

    Longer than a check waits before it kills: an interrupt that comes right before ssh begins to wait is not noticed by it.
    """
    deadline = time.monotonic() + seconds
    while (found := clients_of(port)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def openssh_server(keys: Keys, port: int, *, forwarding: bool = True) -> Iterator[Running]:
    """Run OpenSSH's sshd for the length of a ``with`` block; when it ends, so do the connections."""
    assert SSHD is not None
    if os.geteuid() == 0:
        # Debian makes it when the service starts.
        Path("/run/sshd").mkdir(exist_ok=True)
    # Its own files lie where its configuration needs no quotes; the client's may lie anywhere.
    with tempfile.TemporaryDirectory(prefix="sshd-") as place:
        for name in ("host", "authorized"):
            shutil.copy(keys.directory / name, place)
        config = Path(place, "sshd_config")
        words = {"port": port, "directory": place, "forwarding": "yes" if forwarding else "no"}
        config.write_text(_CONFIG.format(**words), "utf-8")
        with Path(place, "log").open("wb") as log:
            server = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log
            )
        try:
            _wait_for(port)
            yield Running(keys, port)
        finally:
            _kill_children(server.pid)
            server.kill()
            server.wait()


def _kill_children(parent: int) -> None:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    for pid in map(int, found.stdout.split()):
        _kill_children(pid)
        with suppress(ProcessLookupError):  # one that has ended by itself meanwhile
            os.kill(pid, 9)


class _Server(asyncssh.SSHServer):
    def __init__(
        self, running: Running, connections: list[asyncssh.SSHServerConnection], *, forwarding: bool
    ) -> None:
        self._running = running
        self._connections = connections
        self._forwarding = forwarding

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        self._running.asked.append(f"{dest_host}:{dest_port}")
        if not self._forwarding:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return True


@contextmanager
def asyncssh_server(keys: Keys, port: int, *, forwarding: bool = True) -> Iterator[Running]:
    """Run asyncssh's server, in a thread, for the length of a ``with`` block; when it ends, so do the connections."""
    running = Running(keys, port)
    loop = asyncio.new_event_loop()
    connections: list[asyncssh.SSHServerConnection] = []
    acceptor = loop.run_until_complete(
        asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=partial(_Server, running, connections, forwarding=forwarding),
            server_host_keys=[str(keys.directory / "host")],
            authorized_client_keys=str(keys.directory / "authorized"),
        )
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def stop() -> None:
        acceptor.close()
        for connection in connections:
            connection.abort()
        await acceptor.wait_closed()

    try:
        yield running
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def _wait_for(port: int) -> None:
    def listens() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    until(listens, what="sshd to listen", pause=0.02)
