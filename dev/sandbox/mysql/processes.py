"""mysqld and gateway processes: start, freeze, end, and find those that a killed sandbox left behind.

A process is known by its command line, which names a file under the sandbox's directory: unlike a pid file, that can
neither be stale nor missing when the sandbox is killed just after a start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.sandbox.mysql.errors import MySQLServerError

__all__ = ["Process", "freeze", "reap_orphans", "spawn", "terminate", "thaw"]

_PROGRAMS = ("mysqld", "gateway.py")


@dataclass(frozen=True)
class Process:
    """A running process of ours."""

    pid: int
    command: tuple[str, ...]


def spawn(
    command: Sequence[str | Path], *, log: Path, inherit: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own (a Ctrl-C at the terminal is for the sandbox, which stops it in order)."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=inherit,
            start_new_session=True,
            env={**os.environ, "TZ": "UTC"},
        )


def terminate(process: subprocess.Popen[bytes], *, deadline: float) -> bool:
    """Ask a process to end; False if it had to be killed at the deadline."""
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    try:
        process.wait(deadline)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def freeze(process: subprocess.Popen[bytes], *, deadline: float = 10.0) -> None:
    """Stop every thread of a process; return when all are stopped."""
    process.send_signal(signal.SIGSTOP)
    end = time.monotonic() + deadline
    while not _stands_still(process.pid):
        if process.poll() is not None:
            raise MySQLServerError(f"Process {process.pid} ended while it was being frozen.")
        if time.monotonic() > end:
            process.send_signal(signal.SIGCONT)
            raise MySQLServerError(f"Process {process.pid} did not stop within {deadline:.0f} s of SIGSTOP.")
        time.sleep(0.001)


def thaw(process: subprocess.Popen[bytes]) -> None:
    """Resume a frozen process."""
    process.send_signal(signal.SIGCONT)


def reap_orphans(directory: Path) -> list[Process]:
    """End every server process that runs on files under `directory`; return those that were found.

    For the start of a sandbox on the directory of one that was killed. The caller holds the directory's lock, so that
    nothing found here can belong to a living sandbox.
    """
    orphans = list(_processes_under(directory))
    for process in orphans:
        _signal(process, signal.SIGTERM)
        _signal(process, signal.SIGCONT)
    end = time.monotonic() + 5.0
    while time.monotonic() < end and any(_alive(process) for process in orphans):
        time.sleep(0.02)
    for process in orphans:
        if _alive(process):
            _signal(process, signal.SIGKILL)
    while any(_alive(process) for process in orphans):
        time.sleep(0.02)
    return orphans


def _processes_under(directory: Path) -> Iterator[Process]:
    prefix = f"{directory.resolve()}/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        process = Process(int(entry.name), _command(int(entry.name)))
        if _is_ours(process.command) and any(prefix in argument for argument in process.command[1:]):
            yield process


def _is_ours(command: Sequence[str]) -> bool:
    # Not only the first word: the gateway is run by Python, and a mysqld may be begun by a wrapper script.
    return any(Path(part).name in _PROGRAMS for part in command[:4])


def _command(pid: int) -> tuple[str, ...]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it ended between the listing and the look
        return ()
    return tuple(part.decode(errors="replace") for part in raw.split(b"\0")[:-1])


def _alive(process: Process) -> bool:
    # A zombie has an empty command line: dead, though its parent has not looked yet.
    return _command(process.pid) == process.command


def _signal(process: Process, number: signal.Signals) -> None:
    if _alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _stands_still(pid: int) -> bool:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # the process ended: its parent will notice
        return False
    for task in tasks:
        try:
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # a thread that ended while we looked
            continue
        if state not in "Tt":
            return False
    return True
