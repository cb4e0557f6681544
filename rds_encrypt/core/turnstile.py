"""A turnstile: of all callers on this machine, one passes at a time, and none waits.

It is a lock on a file, which the kernel releases when the process that holds it ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rds_encrypt.core.errors import ActionRequired

__all__ = ["Turnstile"]


class Turnstile:
    """Makes a check and the action that follows from it one unit.

    Args:
        name: its purpose; turnstiles of one name exclude each other, if one user runs them.
        quiet: seconds for which no other caller need check after one found nothing to do.
    """

    def __init__(self, name: str, quiet: float) -> None:
        self._path = Path(tempfile.gettempdir()) / f"rds-encrypt-{os.getuid()}-{name}.lock"
        self._quiet = quiet

    @contextmanager
    def passing(self) -> Iterator[bool]:
        """Yield ``True`` if this caller may check; ``False`` if another is checking, or found nothing to do a moment ago.

        Raises:
            ActionRequired: the file cannot be opened.
        """
        # Each caller opens the file: a lock belongs to the open file.
        opened = self._open()
        try:
            yield _locked(opened) and not self._rests(opened)
        finally:
            os.close(opened)

    def _open(self) -> int:
        try:
            # Not through a link, which another user may have put there.
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ActionRequired(
                f"this lock file cannot be opened ({error.strerror})",
                where=str(self._path),
                fix="Remove it, or set TMPDIR to a directory of your own; then run the same command again",
            ) from error

    def rest(self) -> None:
        """Record that there is nothing to do for now; only for a caller that has passed."""
        self._path.write_text(repr(time.time()), encoding="ascii")

    def _rests(self, opened: int) -> bool:
        recorded = os.pread(opened, 64, 0)
        return bool(recorded) and 0 <= time.time() - float(recorded) < self._quiet


def _locked(opened: int) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
