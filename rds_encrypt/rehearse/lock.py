"""Keeps two rehearsals out of one directory, and ends the Pulumi of one that was killed."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.core.waiting import Progress, Wait, until

__all__ = ["FILES", "locked"]

_OWN, _SHARED = "rehearsal.lock", "pulumi.lock"
FILES = (_OWN, _SHARED)
"""The lock files, which stay in the directory."""
_PATIENCE = 900.0
"""The longest wait for an orphaned Pulumi. Its engine ends with the next line that it prints, its plugins when they miss the engine."""


@contextmanager
def locked(directory: Path, progress: Progress) -> Iterator[int]:
    """Lock a directory for the length of a ``with`` block; return a descriptor for Pulumi to inherit.

    Pulumi and its plugins hold that second lock as long as they live. If they outlive their rehearsal, this ends them where the system
    shows who they are (Linux), and waits for them elsewhere.

    Raises:
        ActionRequired: another rehearsal runs, or an orphaned Pulumi does not end.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _opened(directory / _OWN) as own, _opened(directory / _SHARED) as shared:
        if not _take(own):
            raise ActionRequired(
                "another rehearsal runs there", where=str(directory), fix="Wait for its end, or end it"
            )
        if not _take(shared):
            progress("ending the Pulumi of a rehearsal that was killed")
            _end_holders(directory / _SHARED)
            _await(shared, directory, progress)
        yield shared


def _await(descriptor: int, directory: Path, progress: Progress) -> None:
    try:
        until(
            Wait("the Pulumi of a killed rehearsal to end", deadline=_PATIENCE),
            lambda: _take(descriptor),
            done=bool,
            describe=lambda _taken: "waiting for the Pulumi of a killed rehearsal to end",
            progress=progress,
        )
    except TimedOut as error:
        raise ActionRequired(
            "the Pulumi of a killed rehearsal still runs",
            where=str(directory),
            fix="End the processes `pulumi` and `pulumi-language-python`; then run the same command again",
        ) from error


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_holders(file: Path) -> None:
    """Kill every other process that has the file open: the next run is made to resume after a killed step."""
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        process = int(descriptors.parent.name)
        # A process of another user's, or one that has just ended.
        with suppress(OSError):
            if process != os.getpid() and any(
                descriptor.samefile(file) for descriptor in descriptors.iterdir()
            ):
                os.kill(process, signal.SIGKILL)
