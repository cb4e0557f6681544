"""A sandbox as seen from outside: started, found, asked, stopped."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from dev.sandbox.faults import Faults
from dev.sandbox.forks import clean_environment, fork, origin
from dev.sandbox.lock import is_locked
from dev.sandbox.mysql.processes import reap_orphans

__all__ = ["DEFAULT_DIRECTORY", "ROOT", "Sandbox", "SandboxError"]

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DIRECTORY = ROOT / ".cache" / "sandbox"
_REGION = "us-east-1"
_START_DEADLINE = 60.0
_STOP_DEADLINE = 60.0
_STATE = "server.json"
_LOG = "server.log"
# The stand-in plugin waits as long as the real one does, times this; a fast sandbox has nothing to wait for.
_WAIT_SCALE = {"fast": 0.005, "paced": 0.005, "realistic": 1.0}


class SandboxError(Exception):
    """A sandbox that can't be started, found or stopped."""


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    directory: Path
    endpoint: str
    pid: int
    profile: str = "fast"
    factor: float = 1.0
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    @contextmanager
    def running(
        cls, directory: Path, profile: str = "fast", factor: float = 1.0, port: int = 0
    ) -> Iterator[Sandbox]:
        """Run a sandbox for the length of a `with` block; nothing of it is left afterwards."""
        arguments = [*_prepared(directory, profile, factor, port), "--parent", str(origin().pid)]
        process = _Process(fork(arguments, directory / _LOG))
        try:
            yield _await(process, directory)
        finally:
            process.end(directory)

    @classmethod
    def start(cls, directory: Path, profile: str = "fast", factor: float = 1.0, port: int = 0) -> Sandbox:
        """Start a sandbox that outlives this process."""
        command = [sys.executable, "-m", "dev.sandbox", *_prepared(directory, profile, factor, port)]
        with (directory / _LOG).open("wb") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=clean_environment(),
            )
        return _await(_Process(child.pid), directory)

    @classmethod
    def find(cls, directory: Path) -> Sandbox | None:
        """Return the sandbox that runs in the directory, if one does and is ready."""
        if not is_locked(directory):
            return None
        try:
            state = json.loads((directory / _STATE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(directory, state["endpoint"], state["pid"], state["profile"], state["factor"])

    def stop(self) -> None:
        """Stop the sandbox and all its servers."""
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_DEADLINE
        while is_locked(self.directory):
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"The sandbox (process {self.pid}) did not stop within {_STOP_DEADLINE:.0f} s."
                )
            time.sleep(0.05)

    @cached_property
    def faults(self) -> Faults:
        return Faults(self.endpoint)

    def environment(self) -> dict[str, str]:
        """Return what a process needs in its environment to be a client of this sandbox."""
        return {
            **self.settings(),
            "PATH": os.pathsep.join([*_program_directories(), os.environ.get("PATH", os.defpath)]),
        }

    def settings(self) -> dict[str, str]:
        """Return the environment without PATH."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": _REGION,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "RDS_CA_BUNDLE": str(self.directory.resolve() / "ca.pem"),
            "RDS_SANDBOX_WAIT_SCALE": str(_WAIT_SCALE[self.profile] * self.factor),
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of this sandbox; it does not retry, so that tests see each error."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.endpoint,
                region_name=_REGION,
                aws_access_key_id="sandbox",
                aws_secret_access_key="sandbox",
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=10),
            )
        return self._clients[service]

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls that were recorded so far."""
        path = self.directory / "calls.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def status(self) -> dict[str, Any]:
        """Return the instances as the sandbox itself sees them."""
        with urllib.request.urlopen(f"{self.endpoint}/_sandbox/status", timeout=10) as response:
            status: dict[str, Any] = json.load(response)
        return status


def _program_directories() -> list[str]:
    """The tool chain's programs first; the stand-in plugin only where the real one is not installed."""
    directories = [ROOT / ".cache" / "bin", ROOT / ".cache" / "venv" / "bin"]
    search = os.pathsep.join([*map(str, directories), os.environ.get("PATH", os.defpath)])
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    stand_in = ROOT / "dev" / "sandbox" / "plugin" / "bin"
    elsewhere = os.pathsep.join(part for part in search.split(os.pathsep) if part != str(stand_in))
    installed = shutil.which("pulumi-resource-aws", path=elsewhere) or any(
        home.glob("plugins/resource-aws-v*")
    )
    return [str(path) for path in (directories if installed else [*directories, stand_in])]


class _Process:
    """A server, seen from a process that may not be its parent; the handle stays its own when its number is another's."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def ended(self, within: float = 0.0) -> bool:
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(within * 1000))

    def end(self, directory: Path) -> None:
        """Stop the server in order; if it does not, kill it and what it leaves."""
        self._send(signal.SIGTERM)
        if not self.ended(_STOP_DEADLINE):
            self._send(signal.SIGKILL)
            self.ended(_STOP_DEADLINE)
        if (directory / _STATE).exists():
            reap_orphans(directory)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)


def _prepared(directory: Path, profile: str, factor: float, port: int) -> list[str]:
    """Prepare a directory, and return the command that serves from it."""
    directory.mkdir(parents=True, exist_ok=True)
    if is_locked(directory):
        raise SandboxError(f"A sandbox is running in {directory}: stop it with `python -m dev.sandbox down`.")
    (directory / _STATE).unlink(missing_ok=True)
    command = ["serve", "--directory", str(directory), "--port", str(port)]
    return [*command, "--profile", profile, "--factor", str(factor)]


def _await(process: _Process, directory: Path) -> Sandbox:
    deadline = time.monotonic() + _START_DEADLINE
    while time.monotonic() < deadline:
        sandbox = Sandbox.find(directory)
        if sandbox is not None and sandbox.pid == process.pid and _answers(sandbox):
            return sandbox
        if process.ended():
            raise SandboxError(f"The sandbox did not start: {_tail(directory)}")
        time.sleep(0.05)
    process.end(directory)
    raise SandboxError(f"The sandbox did not start within {_START_DEADLINE:.0f} s: {_tail(directory)}")


def _answers(sandbox: Sandbox) -> bool:
    try:
        sandbox.status()
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def _tail(directory: Path) -> str:
    lines = (directory / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-15:]) or "its log is empty."
