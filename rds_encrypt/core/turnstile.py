"""A turnstile: one of all that run on this machine at the same time passes it, and nobody waits in front of it for ever.

It is a lock on a file, which the kernel lets go when the process that holds it ends, however it ends.
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
    """Who looks, and acts on what was seen, does both within it.

    Args:
        name: what it is for; those of one name exclude each other, as long as one user runs them.
        quiet: seconds for which nobody else need look after one who saw that there was nothing to act on.
    """

    def __init__(self, name: str, quiet: float) -> None:
        self._path = Path(tempfile.gettempdir()) / f"rds-encrypt-{os.getuid()}-{name}.lock"
        self._quiet = quiet

    @contextmanager
    def passing(self) -> Iterator[bool]:
        """Give ``True`` if it is this one's turn to look; ``False`` if another is there, or was there a moment ago.

        Raises:
            ActionRequired: the file cannot be opened.
        """
        # Each opens the file anew, since a lock belongs to what was opened.
        opened = self._open()
        try:
            yield _locked(opened) and not self._rests(opened)
        finally:
            os.close(opened)

    def _open(self) -> int:
        try:
            # Not through a link that somebody else has put there.
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ActionRequired(
                f"this file, which keeps steps out of each other's way, cannot be opened ({error.strerror})",
                where=str(self._path),
                fix="Remove it, or let TMPDIR name a directory of your own; then run the same command again",
            ) from error

    def rest(self) -> None:
        """Say that there is nothing to act on for now; only who has passed may say so."""
        self._path.write_text(repr(time.time()), encoding="ascii")

    def _rests(self, opened: int) -> bool:
        said = os.pread(opened, 64, 0)
        return bool(said) and 0 <= time.time() - float(said) < self._quiet


def _locked(opened: int) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
