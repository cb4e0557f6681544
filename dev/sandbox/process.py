"""A sandbox as seen from outside: started, found, asked, stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from dev.sandbox.faults import Faults
from dev.sandbox.lock import is_locked
from dev.sandbox.mysql.processes import reap_orphans

__all__ = ["DEFAULT_DIRECTORY", "ROOT", "Sandbox", "SandboxError"]

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DIRECTORY = ROOT / ".cache" / "sandbox"
_REGION = "us-east-1"
_START_DEADLINE = 60.0
_STOP_DEADLINE = 60.0
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

    @classmethod
    @contextmanager
    def running(
        cls, directory: Path, profile: str = "fast", factor: float = 1.0, port: int = 0
    ) -> Iterator[Sandbox]:
        """Run a sandbox for the length of a `with` block; nothing of it is left afterwards."""
        process = _launch(directory, profile, factor, port, owned=True)
        try:
            yield _await(process, directory)
        finally:
            _end(process, directory)

    @classmethod
    def start(cls, directory: Path, profile: str = "fast", factor: float = 1.0, port: int = 0) -> Sandbox:
        """Start a sandbox that outlives this process."""
        return _await(_launch(directory, profile, factor, port, owned=False), directory)

    @classmethod
    def find(cls, directory: Path) -> Sandbox | None:
        """Return the sandbox that runs in the directory, if one does and is ready."""
        if not is_locked(directory):
            return None
        try:
            state = json.loads((directory / "server.json").read_text(encoding="utf-8"))
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
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=_REGION,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=10),
        )

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls that were recorded so far."""
        path = self.directory / "calls.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def status(self) -> dict[str, Any]:
        """Return the instances as the sandbox itself sees them."""
        with urllib.request.urlopen(f"{self.endpoint}/_sandbox/status", timeout=10) as response:
            found: dict[str, Any] = json.load(response)
        return found


def _program_directories() -> list[str]:
    """The tool chain's programs first; the stand-in plugin only where the real one is not installed."""
    found = [ROOT / ".cache" / "bin", ROOT / ".cache" / "venv" / "bin"]
    search = os.pathsep.join([*map(str, found), os.environ.get("PATH", os.defpath)])
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    stand_in = ROOT / "dev" / "sandbox" / "plugin" / "bin"
    elsewhere = os.pathsep.join(part for part in search.split(os.pathsep) if part != str(stand_in))
    installed = shutil.which("pulumi-resource-aws", path=elsewhere) or any(
        home.glob("plugins/resource-aws-v*")
    )
    return [str(path) for path in (found if installed else [*found, stand_in])]


def _launch(
    directory: Path, profile: str, factor: float, port: int, *, owned: bool
) -> subprocess.Popen[bytes]:
    directory.mkdir(parents=True, exist_ok=True)
    if is_locked(directory):
        raise SandboxError(f"A sandbox is running in {directory}: stop it with `python -m dev.sandbox down`.")
    (directory / "server.json").unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "dev.sandbox",
        "serve",
        "--directory",
        str(directory),
        "--port",
        str(port),
    ]
    command += ["--profile", profile, "--factor", str(factor)]
    if owned:
        command += ["--parent", str(os.getpid())]
    with (directory / "server.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_clean_environment(os.environ),
        )


def _clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The server must find this package, and must not become a client of another endpoint."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


def _await(process: subprocess.Popen[bytes], directory: Path) -> Sandbox:
    deadline = time.monotonic() + _START_DEADLINE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SandboxError(f"The sandbox did not start: {_tail(directory)}")
        found = Sandbox.find(directory)
        if found is not None and found.pid == process.pid and _answers(found):
            return found
        time.sleep(0.05)
    _end(process, directory)
    raise SandboxError(f"The sandbox did not start within {_START_DEADLINE:.0f} s: {_tail(directory)}")


def _answers(sandbox: Sandbox) -> bool:
    try:
        sandbox.status()
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def _end(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Stop the server in order; if it does not, kill it and what it leaves."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode != 0:
        reap_orphans(directory)


def _tail(directory: Path) -> str:
    lines = (directory / "server.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-15:]) or "its log is empty."
