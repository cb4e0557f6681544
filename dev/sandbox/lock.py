"""The lock on a sandbox's directory: one sandbox at a time."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

__all__ = ["DirectoryLock", "is_locked"]

_NAME = ".lock"
_PATIENCE = 2.0


class DirectoryLock:
    """Held for as long as the process lives; the system lets go of it however the process ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle = -1

    def __enter__(self) -> None:
        self._handle = os.open(self._directory / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
        # Whoever checks whether a sandbox runs here holds the lock for an instant.
        deadline = time.monotonic() + _PATIENCE
        while not _take(self._handle):
            if time.monotonic() > deadline:
                os.close(self._handle)
                raise RuntimeError(f"A sandbox is running in {self._directory}: stop it first.")
            time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)


def is_locked(directory: Path) -> bool:
    """Whether a sandbox runs in the directory."""
    if not (directory / _NAME).exists():
        return False
    handle = os.open(directory / _NAME, os.O_RDWR)
    try:
        return not _take(handle)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
