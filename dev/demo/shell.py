"""A shell that commands are typed into one by one, in a copy of the checkout with a home of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dev.workload.workspace import ROOT
from rds_encrypt.rehearse.workspace import session_of

__all__ = ["Shell", "Typed", "copied", "opened"]

_MARK = "--that-was-it--"
_TOOLS = ("bin", "venv", "mysql", "mysql-templates")
_PATIENCE = 10.0


@dataclass(frozen=True)
class Typed:
    """A command as it was typed, what a terminal would have shown, and how it ended."""

    command: str
    output: str
    code: int


class Shell:
    """One bash that lives through all commands, so that what it exports stays."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def type(self, command: str) -> Typed:
        """Run a command line, wait for its end, and return what it printed."""
        stdin, stdout = self._pipes()
        stdin.write(f"{command}\nprintf '\\n%s %s\\n' {_MARK} $?\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line.startswith(_MARK):
                # The newline before the mark is ours.
                return Typed(command, "".join(lines)[:-1], int(line.split()[1]))
            lines.append(line)
        raise RuntimeError(f"the shell ended during `{command}`: {''.join(lines)}")

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes
        assert stdout is not None  # noqa: S101
        return stdin, stdout


@contextmanager
def opened(project: Path, home: Path) -> Iterator[Shell]:
    """Open a shell in a project; nothing of the caller's own Pulumi, AWS or `make` settings reaches it."""
    foreign = ("AWS_", "PULUMI_", "RDS_ENCRYPT_", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    home.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc"],
        cwd=project,
        env={**environment, "HOME": str(home), "NO_COLOR": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield Shell(process)
    finally:
        process.kill()
        process.wait(_PATIENCE)
        for straggler in session_of(process.pid):
            os.kill(straggler, signal.SIGKILL)


def copied(target: Path) -> Path:
    """Copy the checkout as a clone would have it, with the tool chain of this one; return the copy."""
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # one that is listed may have been removed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    _without_salt(target / "Pulumi.dev.yaml")
    _lend_tools(target / ".cache")
    return target


def _without_salt(config: Path) -> None:
    """Remove what somebody else's stack would have left there."""
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("encryptionsalt:")), "utf-8")


def _lend_tools(cache: Path) -> None:
    """Let `make setup` find everything in place: links, and notes of what was installed with this path in them."""
    cache.mkdir()
    for name in _TOOLS:
        (cache / name).symlink_to((ROOT / ".cache" / name).resolve())
    (cache.parent / ".venv").symlink_to(".cache/venv")
    (cache / "stamps").mkdir()
    for stamp in (ROOT / ".cache" / "stamps").iterdir():
        text = stamp.read_text(encoding="utf-8").replace(str(ROOT / ".cache"), str(cache))
        (cache / "stamps" / stamp.name).write_text(text, encoding="utf-8")
