"""The machine that figures are from, and the memory that a run takes of it."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "machine", "watching_memory"]

_LOOK = 0.5


@dataclass
class Memory:
    """What the processes of `pulumi` took, in MB, at the worst moment so far."""

    most: float = 0.0


def machine() -> str:
    """Describe the machine in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return f"{os.cpu_count()} CPUs ({model}), {gib:.0f} GiB, {system}, Python {platform.python_version()}"


@contextmanager
def watching_memory() -> Iterator[Memory]:
    """Look at the sessions that this process starts, twice a second."""
    memory, done = Memory(), threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK):
            memory.most = max(memory.most, _of_sessions())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()


def _of_sessions() -> float:
    """Return the proportional memory of every `pulumi` that is a child of ours, with all that belongs to its session."""
    leaders, members = set(), []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (entry / "stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = rest.split()
        if name == "pulumi" and int(fields[1]) == os.getpid():
            leaders.add(int(fields[3]))
        members.append((entry, int(fields[3])))
    return sum(_proportional(entry) for entry, session in members if session in leaders)


def _proportional(entry: Path) -> float:
    try:
        lines = (entry / "smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))
