"""Programs that run beside this process and end with it, however it ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["SupervisedProcess"]

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_PAUSE = 0.02
_LONGEST = 60
"""The length of a directory's path below which a socket's path is short enough on every system."""


class SupervisedProcess:
    """A program with a private directory; when this process ends, a supervisor ends the program and removes the directory."""

    def __init__(
        self, command: Callable[[Path], Sequence[str]], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start the program that ``command`` returns for the directory, without a shell."""
        shared = tempfile.gettempdir()
        self.directory = Path(
            tempfile.mkdtemp(prefix="rds-encrypt-", dir=shared if len(shared) < _LONGEST else "/tmp")  # noqa: S108 - mkdtemp makes it private
        )
        try:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SUPERVISOR), str(self.directory), *command(self.directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                # Ctrl-C in a terminal reaches the whole group of `pulumi`, and undoing a cutover still needs this program.
                process_group=0,
            )
        except BaseException:
            self.directory.rmdir()
            raise

    @property
    def running(self) -> bool:
        """Whether the program is running."""
        return self._supervisor.poll() is None and not (self.directory / "ended").exists()

    @property
    def output(self) -> str:
        """The program's output so far."""
        file = self.directory / "said"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Wait until ``ready`` holds; return whether it did before the program ended, or the time was up."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running or time.monotonic() > deadline:
                return ready()
            time.sleep(_PAUSE)
        return True

    def close(self) -> None:
        """End the program; return when it and its directory are gone."""
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()
        self._supervisor.wait()
