"""One command of the CLI, watched row by row, and struck where it is wanted."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql

from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import admin_session, end_those_of
from tests.chaos.procedure.points import ARMED, HIDDEN, Point
from tests.chaos.processes import all_of, command_of
from tests.engine.deployment import Deployment

__all__ = ["Ending", "Run"]

_HUNG = 600.0
"""Seconds: on a machine that is busy with other things a run takes minutes, and is not hung."""
_ASLEEP = 3.0
_ROW = re.compile(
    r"(?P<type>[\w./-]+:[\w./:-]+) (?P<name>[\w-]+) "
    r"(?P<word>(?:creat|import|updat|delet|replac)(?P<tense>ing|ed))\b"
)
_FOREIGN = ("Traceback (most recent call last)", "This is a bug in rds-encrypt")


@dataclass(frozen=True)
class Ending:
    """What a command came to: `completed`, `interrupted`, `failed`, `killed`, or `hung`, with the sentences that it ended with."""

    kind: str
    said: str = ""
    ours: bool = True

    def __str__(self) -> str:
        return f"{self.kind}: {self.said}" if self.said else self.kind


class Run:
    """`pulumi up` or `pulumi destroy` on a deployment's stack, in a session of its own."""

    def __init__(self, deployment: Deployment, verb: str, points: Sequence[Point] = ()) -> None:
        self._deployment = deployment
        self._points = list(points)
        self._calls = deployment.sandbox.directory / "calls.jsonl"
        self._printed: list[str] = []
        self._inside: list[tuple[Point, int]] = []
        self._killed = False
        self._lock = threading.Lock()
        self.strikes = [point for point in points if point.fault in ARMED][:1]
        """What it was struck with, in this order; the last may be what it ended of."""
        for point in self.strikes:
            self._arm(point)
        workspace = deployment.workspace
        pulumi = shutil.which("pulumi", path=workspace.environment["PATH"]) or "pulumi"
        command = [pulumi, verb, "--yes", "--skip-preview", "--suppress-progress", "--suppress-permalink"]
        command += ["--stack", workspace.stack, "--config-file", str(workspace.config_file)]
        self._process = subprocess.Popen(
            [*command, "--color", "never", "--non-interactive"],
            cwd=workspace.project,
            env=workspace.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._reader.start()
        self._watcher.start()

    @property
    def output(self) -> str:
        return "".join(self._printed)

    def shows(self, row: str, word: str, patience: float = 300.0) -> bool:
        """Wait until the row of a step says a word; false if the command ended before."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if any(f"{row} {word}" in line for line in list(self._printed)):
                return True
            if self._process.poll() is not None:
                return False
            time.sleep(0.02)
        return False

    def ending(self) -> Ending:
        """Wait for its end, let the world recover from what was done to it, and say what it came to."""
        try:
            code = self._process.wait(_HUNG)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL, all_of(self._process.pid))
            self._process.wait()
            return Ending("hung", self.output[-600:], ours=False)
        finally:
            self._reader.join(10)
            self._watcher.join(10)
            self._deployment.sandbox.faults.clear()
        if code == 0:
            # A `destroy` that was interrupted ends with 0 as well.
            interrupted = any(point.fault == "Ctrl-C" for point in self.strikes)
            return Ending("interrupted" if interrupted else "completed")
        message = " | ".join(
            line.strip().removeprefix("error: ")
            for line in self.output.splitlines()
            if line.strip().startswith("error: ") and "update failed" not in line
        )
        # The words of a process that was killed are nobody's fault.
        ours = self._killed or not any(words in self.output for words in _FOREIGN)
        return Ending("killed" if self._killed else "failed", message[:600], ours=ours)

    # Watching.

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._printed.append(line)
            row = _ROW.search(line)
            if row is not None:
                self._passes(f"{row['type'].rpartition(':')[2]} {row['name']}", begins=row["tense"] == "ing")

    def _passes(self, step: str, *, begins: bool) -> None:
        for point in self._points:
            if point.step != step or point in self.strikes:
                continue
            if point.moment == ("before" if begins else "after"):
                self._strike(point)
            elif point.moment == "inside" and begins:
                self._inside.append((point, self._count()))

    def _watch(self) -> None:
        """Strike inside a step when it has made so many calls."""
        while self._process.poll() is None and not self._over:
            for point, before in list(self._inside):
                if point not in self.strikes and self._count() - before >= point.calls:
                    time.sleep(point.pause)
                    self._strike(point)
            time.sleep(0.02)

    def _count(self) -> int:
        return self._calls.read_bytes().count(b"\n") if self._calls.exists() else 0

    # Striking.

    @property
    def _over(self) -> bool:
        """Whether it was struck with something that it will not get over."""
        return any(point.fault not in HIDDEN for point in self.strikes)

    def _strike(self, point: Point) -> None:
        with self._lock:
            if self._over or self._process.poll() is not None:
                return
            self.strikes.append(point)
        faults = self._deployment.sandbox.faults
        match point.fault:
            case "kill everything":
                self._kill(all_of(self._process.pid))
            case "kill the CLI":
                self._kill([self._process.pid])
            case "kill the providers":
                # Not the CLI: it goes on, and says what it can no longer do.
                self._killed = True
                self._signal(signal.SIGKILL, self._providers())
            case "Ctrl-C":
                os.killpg(self._process.pid, signal.SIGINT)
            case "asleep" | "asleep for long":
                self._sleep(for_long=point.fault == "asleep for long")
            case "credentials expire":
                faults.refuse(
                    "ExpiredToken",
                    "The security token included in the request is expired",
                    count=100_000,
                    status=403,
                )
            case "throttled":
                faults.throttle(count=3, service="*")
            case "5xx":
                faults.error(count=3, status=503, service="*")

    def _arm(self, point: Point) -> None:
        faults = self._deployment.sandbox.faults
        match point.fault:
            case "no capacity":
                faults.refuse(
                    "InsufficientDBInstanceCapacity",
                    "There is not enough capacity for the class.",
                    action="RestoreDBInstanceFromDBSnapshot",
                )
            case "quota used up":
                faults.refuse(
                    "SnapshotQuotaExceeded",
                    "Cannot create more than 100 manual snapshots.",
                    action="CopyDBSnapshot",
                )
            case "the copy fails":
                faults.fail_copy()
            case "the restore fails":
                faults.fail_restore("incompatible-restore")

    def _sleep(self, *, for_long: bool) -> None:
        """Stop everything for a while; after an hour no connection would stand any more, and its seconds would tell nothing else."""
        session = all_of(self._process.pid)
        self._signal(signal.SIGSTOP, session)
        try:
            time.sleep(_ASLEEP)
            if for_long:
                self._lose_connections()
        finally:
            self._signal(signal.SIGCONT, session)

    def _lose_connections(self) -> None:
        """End the sessions of the master user, whose client sleeps, wherever a server answers."""
        for instance in self._deployment.sandbox.status()["instances"]:
            if not instance["directory"]:
                continue
            directory = Path(instance["directory"])
            with (
                suppress(pymysql.err.MySQLError, OSError),
                admin_session(directory, HostSecrets.of(directory / "data").admin, timeout=2.0) as session,
            ):
                end_those_of(session, self._deployment.seeded.master_user)

    def _kill(self, victims: list[int]) -> None:
        self._killed = True
        self._signal(signal.SIGKILL, victims)

    @staticmethod
    def _signal(number: signal.Signals, victims: list[int]) -> None:
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _providers(self) -> list[int]:
        return [
            pid for pid in all_of(self._process.pid) if any(name in command_of(pid) for name in _PROVIDERS)
        ]


_PROVIDERS = ("pulumi.dynamic", "pulumi-resource-")
