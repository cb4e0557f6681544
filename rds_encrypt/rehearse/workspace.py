"""A Pulumi workspace of its own: a backend in files and a config beside the project, the real CLI as a user would call it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CommandFailed", "Result", "Workspace", "session_of", "state_url"]

_PATIENCE = 10.0
"""Seconds that an interrupted command gets to end in order."""

Listener = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """The result of one command of the CLI; ``output`` holds stdout and stderr as a terminal would show them."""

    command: tuple[str, ...]
    output: str
    returncode: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return self.returncode == 0


class CommandFailed(Exception):
    """A command of the CLI that had to succeed did not."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(f"`{' '.join(result.command)}` ended with exit code {result.returncode}.")


class Workspace:
    """One stack of the project, driven through the command line; the checkout is only read.

    Args:
        directory: holds everything that is written: ``state/``, the stack's config.
        stack: the name of the stack.
        project: the directory of ``Pulumi.yaml``.
        more: variables for the program, in addition to those that it inherits.
        inherited: descriptors that the CLI and its plugins keep open, such as a lock's.
    """

    def __init__(
        self,
        directory: Path,
        *,
        stack: str,
        project: Path,
        more: Mapping[str, str] | None = None,
        inherited: tuple[int, ...] = (),
    ) -> None:
        self.directory = directory.resolve()
        self.stack = stack
        self.project = project.resolve()
        self._more = dict(more or {})
        self._inherited = inherited

    @property
    def config_file(self) -> Path:
        """The stack's config: a copy, so that the checkout stays clean."""
        return self.directory / f"Pulumi.{self.stack}.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of the CLI: the caller's, with a backend and a passphrase of its own."""
        return {**os.environ, **self._more, **self.settings}

    @property
    def settings(self) -> dict[str, str]:
        """The part of the environment that makes it this workspace."""
        return {
            "PULUMI_BACKEND_URL": state_url(self.directory / "state"),
            # The state holds no secret (docs/concepts.md), so that the passphrase protects nothing.
            "PULUMI_CONFIG_PASSPHRASE": "rehearsal",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_SUPPRESS_NEO_LINK": "true",
        }

    @property
    def exists(self) -> bool:
        """Whether the stack was made."""
        return self.config_file.exists() and (self.directory / "state").is_dir()

    def make(self, config: str) -> None:
        """Make an empty stack with this config, in place of any former one.

        Raises:
            CommandFailed: the stack could not be made.
        """
        shutil.rmtree(self.directory / "state", ignore_errors=True)
        (self.directory / "state").mkdir(parents=True)
        # `stack init` writes into the config beside Pulumi.yaml, so it runs beside copies of both.
        shutil.copyfile(self.project / "Pulumi.yaml", self.directory / "Pulumi.yaml")
        lines = [line for line in config.splitlines(keepends=True) if not line.startswith("encryptionsalt:")]
        # It may be a copy with values that are encrypted elsewhere.
        self.config_file.touch(mode=0o600)
        self.config_file.write_text("".join(lines), encoding="utf-8")
        self._must("stack", "init", self.stack, "--cwd", str(self.directory))

    def preview(
        self, *options: str, expect_no_changes: bool = False, listen: Listener | None = None
    ) -> Result:
        """Run ``pulumi preview``."""
        return self._operation("preview", _expecting(options, expect_no_changes), listen)

    def up(self, *options: str, expect_no_changes: bool = False, listen: Listener | None = None) -> Result:
        """Run ``pulumi up --yes``."""
        return self._operation("up", ("--yes", *_expecting(options, expect_no_changes)), listen)

    def refresh(
        self, *options: str, expect_no_changes: bool = False, listen: Listener | None = None
    ) -> Result:
        """Run ``pulumi refresh --yes``."""
        return self._operation("refresh", ("--yes", *_expecting(options, expect_no_changes)), listen)

    def destroy(self, *options: str, listen: Listener | None = None) -> Result:
        """Run ``pulumi destroy --yes``."""
        return self._operation("destroy", ("--yes", *options), listen)

    def config_set(self, key: str, value: str) -> None:
        """Set one value, addressed by path: ``rds-encrypt:sources[0].kmsKey``.

        Raises:
            CommandFailed: the CLI refused it.
        """
        self._must("config", "set", "--path", key, value, *self._addressed())

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs.

        Raises:
            CommandFailed: they could not be read.
        """
        outputs: dict[str, Any] = json.loads(
            self._must("stack", "output", "--json", "--stack", self.stack).output or "{}"
        )
        return outputs

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources in the stack's state, as the state file has them.

        Raises:
            CommandFailed: the state could not be read.
        """
        deployment = json.loads(self._must("stack", "export", "--stack", self.stack).output)["deployment"]
        resources: list[dict[str, Any]] = deployment.get("resources") or []
        return resources

    def run(self, *arguments: str, listen: Listener | None = None) -> Result:
        """Run any command of the CLI and return its result; an interrupt ends it with all its plugins."""
        command = ("pulumi", *arguments)
        begun = time.monotonic()
        lines: list[str] = []
        with self._process(command) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            try:
                for line in process.stdout:
                    lines.append(line)
                    if listen is not None:
                        listen(line.rstrip("\n"))
            except BaseException as error:
                # A time limit of the tests ends it here: without this, nobody sees how far the command came.
                error.add_note(f"`{' '.join(command)}` had printed:\n{''.join(lines)}")
                raise
        return Result(command, "".join(lines), process.returncode, time.monotonic() - begun)

    def _operation(self, verb: str, options: tuple[str, ...], listen: Listener | None) -> Result:
        quiet = (
            ("--suppress-progress", "--suppress-permalink") if verb != "refresh" else ("--suppress-progress",)
        )
        return self.run(verb, *quiet, *options, *self._addressed(), "--color", "never", listen=listen)

    def _must(self, *arguments: str) -> Result:
        result = self.run(*arguments)
        if not result.ok:
            raise CommandFailed(result)
        return result

    def _addressed(self) -> tuple[str, ...]:
        return ("--stack", self.stack, "--config-file", str(self.config_file))

    @contextmanager
    def _process(self, command: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
        environment = self.environment
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        process = subprocess.Popen(
            [program, *command[1:], "--non-interactive"],
            cwd=self.project,
            env=environment,
            pass_fds=self._inherited,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # A session of its own: Ctrl-C reaches it once, through us, and its plugins can be found if it hangs.
            start_new_session=True,
        )
        try:
            yield process
            process.wait()
        finally:
            _end(process)


def _expecting(options: tuple[str, ...], expect_no_changes: bool) -> tuple[str, ...]:  # noqa: FBT001 - private
    return (*options, "--expect-no-changes") if expect_no_changes else options


def _end(process: subprocess.Popen[str]) -> None:
    """End a command that still runs: ask it, then kill everything in its session."""
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            if process.stdout is not None:
                # Unread, its last words would fill the pipe and keep it from ending.
                threading.Thread(target=process.stdout.read, daemon=True).start()
            process.wait(_PATIENCE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()
    finally:
        for straggler in session_of(process.pid):
            with _gone_already():
                os.kill(straggler, signal.SIGKILL)


@contextmanager
def _gone_already() -> Iterator[None]:
    try:
        yield
    except (ProcessLookupError, PermissionError):
        return


def state_url(directory: Path) -> str:
    """Return the address of a backend in files, without the file of attributes that goes with each.

    A CLI that is killed can leave that one empty, and the stack unreadable.
    """
    return f"{directory.resolve().as_uri()}?metadata=skip"


def session_of(leader: int) -> list[int]:
    """Return the processes of a session; plugins have process groups of their own, but stay in it."""
    processes = []
    for entry in Path("/proc").glob("[0-9]*"):
        number = int(entry.name)
        with _gone_already():
            if number != leader and os.getsid(number) == leader:
                processes.append(number)
    return processes
