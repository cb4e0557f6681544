"""The machine that the figures are from, and how much of its memory a run takes."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dev.sandbox.mysql import find_binaries
from dev.workload.workspace import ROOT

__all__ = ["Machine", "Memory", "describe", "watching_memory"]

_LOOK = 0.5


@dataclass
class Memory:
    """What the processes of `pulumi` took, in MB, at the worst moment so far."""

    most: float = 0.0


@dataclass(frozen=True)
class Machine:
    """What figures are worth depends on it; ``load`` is that of the last minute."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    load: float
    versions: dict[str, str]

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.cores} CPUs ({self.processor}), {self.memory_gib:.0f} GiB, {self.system}, {versions};"
            f" load {self.load:.1f}"
        )


def describe(engine: str) -> Machine:
    """Describe the machine, and the versions of what is measured on it."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(_gib(), 1),
        system=_system(),
        load=round(os.getloadavg()[0], 2),
        versions={
            "Python": platform.python_version(),
            "MySQL": find_binaries(engine).version,
            "Pulumi": _pulumi(),
            "pulumi-aws": version("pulumi-aws"),
        },
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _system() -> str:
    return f"{platform.system()} {platform.release().partition('-')[0]}"


def _pulumi() -> str:
    program = ROOT / ".cache" / "bin" / "pulumi"
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("v")


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
