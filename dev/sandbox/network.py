"""The loopback network that a sandbox owns, and the addresses in it that stand for DNS names."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from pathlib import Path
from typing import IO

__all__ = ["Network"]

_FIRST, _LAST = 77, 126


class Network:
    """`127.<n>.0.0/16`, held by a lock for as long as this process lives; each name gets an address once."""

    def __init__(self, number: int, lock: IO[str], previous_owner: Path | None) -> None:
        self.number = number
        self.previous_owner = previous_owner
        self._lock_file = lock
        self._addresses: dict[str, str] = {}
        self._lock = threading.Lock()

    @classmethod
    def acquire(cls, directory: Path) -> Network:
        """Take the first network that no live sandbox holds, and leave word of the directory that it belongs to."""
        for number in range(_FIRST, _LAST):
            path = Path(tempfile.gettempdir()) / f"rds-sandbox-127.{number}.lock"
            lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+", encoding="utf-8")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            previous = lock.read().strip()
            lock.seek(0)
            lock.truncate()
            lock.write(str(directory))
            lock.flush()
            return cls(number, lock, Path(previous) if previous else None)
        raise RuntimeError(
            f"All loopback networks 127.{_FIRST}–127.{_LAST - 1} are held by running sandboxes: stop one of them."
        )

    def address(self, name: str) -> str:
        """Return the address of a name; two names never share one."""
        with self._lock:
            if name not in self._addresses:
                host = len(self._addresses) + 10
                self._addresses[name] = f"127.{self.number}.{host // 250}.{host % 250 + 1}"
            return self._addresses[name]

    def release(self) -> None:
        """Give the network back: nothing of it is left running."""
        self._lock_file.seek(0)
        self._lock_file.truncate()
        self._lock_file.close()
