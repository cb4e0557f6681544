"""The server process: the whole sandbox put together, served until it is told to stop."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from dev.sandbox.control import Control
from dev.sandbox.faults import FaultBook
from dev.sandbox.lock import DirectoryLock, is_locked
from dev.sandbox.mysql.certificates import CertificateAuthority
from dev.sandbox.mysql.processes import reap_orphans
from dev.sandbox.network import Network
from dev.sandbox.rds.api import RDS
from dev.sandbox.rds.clock import TimeModel
from dev.sandbox.rds.hosting import Hosting
from dev.sandbox.rds.monitor import Monitor
from dev.sandbox.recorder import Recorder
from dev.sandbox.server import ACCOUNT_ID, Application, serve_on

__all__ = ["REGION", "STATE_FILE", "Options", "serve"]

_log = logging.getLogger(__name__)

REGION = "us-east-1"
STATE_FILE = "server.json"
# What an earlier sandbox leaves in a directory; the CA is kept, so that clients need not read it again.
_OF_FORMER = ("instances", "snapshots", "calls.jsonl", "env.sh", STATE_FILE)


@dataclass(frozen=True)
class Options:
    """How a sandbox is served."""

    directory: Path
    port: int = 0
    profile: str = "fast"
    factor: float = 1.0
    parent: int | None = None


def serve(options: Options) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent process; then stop every server."""
    directory = options.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with DirectoryLock(directory):
        network = Network.acquire(directory)
        _clean(directory, network)
        _serve(options, directory, network)
        network.release()


def _clean(directory: Path, network: Network) -> None:
    """Remove what a killed sandbox left: in this directory, and on the network that we take over from it."""
    owners = {directory}
    if network.previous_owner is not None and not is_locked(network.previous_owner):
        # A former owner that runs again, on another network, keeps its servers.
        owners.add(network.previous_owner)
    for owner in owners:
        for orphan in reap_orphans(owner):
            _log.warning("Ended process %s, left behind by a former sandbox", orphan.pid)
    for name in _OF_FORMER:
        path = directory / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _serve(options: Options, directory: Path, network: Network) -> None:
    clock = TimeModel(options.profile, options.factor)
    faults = FaultBook()
    certificates = CertificateAuthority(directory)
    hosting = Hosting(directory, network, certificates, real_pauses=clock.real_pauses)
    rds = RDS(ACCOUNT_ID, hosting, clock, faults)
    control = Control(rds, faults, clock, REGION)
    http = serve_on(Application(rds, faults, Recorder(directory / "calls.jsonl"), control), options.port)
    Monitor(rds, clock).start()
    stopping = _stop_signal(options.parent)
    threading.Thread(target=http.serve_forever, name="http", daemon=True).start()
    state = {
        "pid": os.getpid(),
        "endpoint": f"http://127.0.0.1:{http.server_port}",
        "network": network.number,
    }
    _write_state(directory / STATE_FILE, {**state, "profile": options.profile, "factor": options.factor})
    _log.info("Serving at %s on the network 127.%s.0.0/16", state["endpoint"], network.number)
    try:
        # Not one long wait: a signal that another thread of the process receives would not end it.
        while not stopping.wait(0.2):
            pass
    finally:
        begun = time.monotonic()
        rds.close()
        http.shutdown()
        (directory / STATE_FILE).unlink(missing_ok=True)
        _log.info("Stopped in %.1f s", time.monotonic() - begun)


def _write_state(path: Path, state: dict[str, object]) -> None:
    """Written whole or not at all: whoever waits for the file must not read half of it."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state), encoding="utf-8")
    draft.rename(path)


def _stop_signal(parent: int | None) -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    if parent is not None:
        threading.Thread(target=_watch, args=(parent, stopping), name="parent", daemon=True).start()
    return stopping


def _watch(parent: int, stopping: threading.Event) -> None:
    """A sandbox that a test runs does not outlive it, however the test ends."""
    while os.getppid() == parent:
        time.sleep(0.5)
    stopping.set()
