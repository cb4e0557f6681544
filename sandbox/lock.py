"""The lock on a sandbox's directory: one sandbox at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

__all__ = ["DirectoryLock", "is_locked"]

_NAME = ".lock"


class DirectoryLock:
    """Held for as long as the process lives; the system lets go of it however the process ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle = -1

    def __enter__(self) -> None:
        self._handle = os.open(self._directory / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._handle)
            raise RuntimeError(f"A sandbox is running in {self._directory}: stop it first.") from error

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
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
