"""The runner as the scheduler sees it: started, held at a boundary, let go, interrupted, killed, judged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Child", "Ending"]

_HUNG = 240.0
"""Seconds after which a run that goes on counts as hung."""


@dataclass(frozen=True)
class Ending:
    """What one run came to: `completed`, `failed`, `killed`, or, which is always wrong, `hung` or `crashed`."""

    kind: str
    sentence: str = ""
    ours: bool = True
    undone: bool = True

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}" if self.sentence else self.kind


class Child:
    """One run of the runner: started early, since Python takes its time, and given its order when it is needed."""

    def __init__(self, *, environment: Mapping[str, str], project: Path, log: Path) -> None:
        self.passed: list[tuple[str, float]] = []
        self.begun = threading.Event()
        self._held: set[str] = set()
        self._ended = threading.Event()
        self._result: dict[str, Any] = {}
        self._killed = False
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "tests.chaos.runner"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=project,
                env=dict(environment),
                text=True,
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def order(self, order: Mapping[str, Any]) -> None:
        """Let it begin."""
        self._write(json.dumps(order))

    def wait_held(self, boundary: str, deadline: float = _HUNG) -> bool:
        """Wait until it holds at a boundary; false if it ended without coming there."""
        until = time.monotonic() + deadline
        while boundary not in self._held and not self._ended.is_set() and time.monotonic() < until:
            time.sleep(0.02)
        return boundary in self._held

    def wait_ended(self, seconds: float) -> bool:
        return self._ended.wait(seconds)

    def go(self) -> None:
        """Let it go on from its boundary."""
        self._write("go")

    def kill(self) -> None:
        self._killed = True
        self._process.kill()

    def interrupt(self) -> None:
        """What Ctrl-C does: an exception at whatever it is doing."""
        self._process.send_signal(signal.SIGINT)

    def ending(self) -> Ending:
        """Wait for its end and say what it was."""
        hung = not self._ended.wait(_HUNG)
        if hung:
            self._process.kill()
        self._process.wait()
        self._listener.join(5)
        if hung:
            return Ending("hung", f"it was not done after {_HUNG:.0f} s", ours=False)
        if "completed" in self._result:
            return Ending("completed")
        if "failed" in self._result:
            return Ending(
                "failed", self._result["sentence"], ours=self._result["ours"], undone=self._result["undone"]
            )
        if self._killed:
            return Ending("killed")
        return Ending("crashed", f"exit code {self._process.returncode}", ours=False)

    @property
    def outputs(self) -> dict[str, Any]:
        """What the step returned; only of a run that completed."""
        outputs: dict[str, Any] = self._result["completed"]
        return outputs

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it has ended, which `ending` tells

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "passed" in message:
                self.passed.append((message["passed"], time.monotonic()))
            elif "held" in message:
                self._held.add(message["held"])
            elif "begun" in message:
                self.begun.set()
            else:
                self._result |= message
        self._ended.set()
        self.begun.set()
