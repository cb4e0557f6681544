"""Trials through the real engine: `pulumi up` with its processes killed, then `pulumi cancel` and `up` again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

from tests.chaos import invariants
from tests.chaos.child import Ending
from tests.chaos.plan import Planner
from tests.chaos.processes import all_of, command_of
from tests.chaos.stage import ACCEPTED, Stage
from tests.chaos.trial import Hit, Trial, judge

__all__ = ["round_trip"]

_CHANGES = ("Modify", "Reset", "Add", "Remove", "Reboot")
_CHANGES_OF_A_CUTOVER = 9
_TARGETS = ("pulumi CLI", "pulumi CLI and all its plugins", "pulumi's provider process")
_RUNS_AGAIN = 3
_PATIENCE = 240.0


def round_trip(stage: Stage, planner: Planner) -> Iterator[Trial]:
    """Cut over and roll back through the CLI, each killed once; ends early if one leaves the stage unsound."""
    for _ in range(2):
        trial = _trial(stage, planner)
        yield trial
        if not trial.sound:
            return


def _trial(stage: Stage, planner: Planner) -> Trial:
    direction = stage.direction
    number, dice = planner.dice()
    trial = Trial(number, direction.verb)
    stage.traffic.trial = number
    stage.deployment.configure(direction.phase, cutover=stage.cutover, accept=ACCEPTED)
    began = time.monotonic()
    target, change, pause = (
        dice.choice(_TARGETS),
        dice.randint(1, _CHANGES_OF_A_CUTOVER),
        dice.uniform(0, 0.8),
    )
    while not trial.done and trial.runs <= _RUNS_AGAIN:
        trial.runs += 1
        run = _Up(stage)
        struck = trial.runs == 1 and run.comes_to(change, pause)
        if struck:
            run.kill(target)
        ending = run.ending()
        if struck:
            trial.hits.append(
                Hit(
                    f"kill {target}",
                    f"kill {target}",
                    f"change {change} + {pause:.2f} s",
                    "",
                    ending.kind,
                    ending.sentence,
                )
            )
        if not ending.ours:
            trial.wrong.append(f"run {trial.runs} ended without a sentence of ours: {ending.sentence}")
        moved = ending.kind != "completed" and stage.begun(direction)
        if ending.kind == "failed" and not moved and not struck:
            trial.wrong.extend(invariants.safely_aborted(stage, direction, time.monotonic()))
        trial.done = ending.kind == "completed"
        if not trial.done:
            # As a user would after a crash: the lock is the dead CLI's.
            stage.deployment.workspace.run("cancel", "--yes", "--stack", stage.deployment.workspace.stack)
    trial.seconds = time.monotonic() - began
    judge(stage, direction, trial)
    return trial


class _Up:
    """One `pulumi up` that can be killed in parts."""

    def __init__(self, stage: Stage) -> None:
        workspace = stage.deployment.workspace
        environment = workspace.environment
        self._calls = stage.deployment.sandbox.directory / "calls.jsonl"
        self._from = self._calls.stat().st_size
        self._log = workspace.directory / "up.log"
        self._killed = ""
        pulumi = shutil.which("pulumi", path=environment["PATH"]) or "pulumi"
        command = [pulumi, "up", "--yes", "--skip-preview", "--suppress-progress", "--suppress-permalink"]
        command += ["--stack", workspace.stack, "--config-file", str(workspace.config_file)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--color", "never", "--non-interactive"],
                cwd=workspace.project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def comes_to(self, change: int, pause: float) -> bool:
        """Wait until so many changing calls have been answered, and a little longer; false if it ended before."""
        while self._process.poll() is None:
            if self._changes() >= change:
                time.sleep(pause)
                return self._process.poll() is None
            time.sleep(0.02)
        return False

    def kill(self, target: str) -> None:
        self._killed = target
        session = all_of(self._process.pid)
        if target == _TARGETS[0]:
            victims = [self._process.pid]
        elif target == _TARGETS[1]:
            victims = session
        else:
            victims = [pid for pid in session if "pulumi.dynamic" in command_of(pid)]
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def ending(self) -> Ending:
        """Wait for its end and say what it was."""
        try:
            code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in all_of(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            return Ending("hung", f"`pulumi up` was not done after {_PATIENCE:.0f} s", ours=False)
        if code == 0:
            return Ending("completed")
        printed = self._log.read_text(encoding="utf-8", errors="replace")
        errors = [line.strip() for line in printed.splitlines() if line.strip().startswith("error:")]
        sentence = " | ".join(errors)
        if self._killed:
            return Ending("killed", sentence)
        return Ending("failed", sentence or printed[-400:], ours=bool(errors) and "Traceback" not in printed)

    def _changes(self) -> int:
        with self._calls.open("rb") as calls:
            calls.seek(self._from)
            return sum(any(f'"action": "{verb}'.encode() in line for verb in _CHANGES) for line in calls)
