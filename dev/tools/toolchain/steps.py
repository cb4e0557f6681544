"""Steps, the sequences they run in, and what the user sees of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from toolchain.problems import SetupProblem, StepFailed

__all__ = ["Outcome", "Step", "run_sequences"]

_HEARTBEAT_SECONDS = 30.0


@dataclass(frozen=True)
class Step:
    """One thing that set-up provides."""

    title: str
    doing: str
    """What making it means, shown while it runs: "building from the Go module proxy, 2-4 minutes"."""
    present: Callable[[], str | None]
    """Looks only: what is there already ("already there"), or None."""
    make: Callable[[], str]
    """Provides it, and says what was done ("built")."""
    requires: Callable[[], None] | None = None
    """Raises `Missing` where a program that `make` needs is not installed."""


@dataclass(frozen=True)
class Outcome:
    """How a step ended."""

    title: str
    said: str
    seconds: float
    problem: SetupProblem | None = None


@dataclass
class _Screen:
    """Whole lines only, one at a time; a heartbeat says what is still running."""

    width: int
    running: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    quiet_since: float = field(default_factory=time.monotonic)

    def say(self, mark: str, title: str, text: str) -> None:
        self.quiet_since = time.monotonic()
        print(f"  {mark} {title:<{self.width}}  {text}", flush=True)

    def start(self, step: Step) -> None:
        with self.lock:
            self.running[step.title] = time.monotonic()
            self.say("…", step.title, step.doing)

    def finish(self, outcome: Outcome) -> None:
        with self.lock:
            self.running.pop(outcome.title, None)
            took = "" if outcome.seconds < 0.05 else f" ({outcome.seconds:.1f} s)"
            text = "cannot be provided, see below" if outcome.problem else outcome.said
            self.say("✗" if outcome.problem else "✓", outcome.title, f"{text}{took}")

    def beat(self) -> None:
        with self.lock:
            if self.running and time.monotonic() - self.quiet_since >= _HEARTBEAT_SECONDS:
                now = time.monotonic()
                still = ", ".join(f"{title} ({now - since:.0f} s)" for title, since in self.running.items())
                self.quiet_since = now
                print(f"    still at it: {still}", flush=True)


def run_sequences(sequences: Sequence[Sequence[Step]]) -> list[Outcome]:
    """Run the sequences side by side and the steps of each in order; a failure ends its own sequence only.

    What has to be installed first is asked of all steps before any of them starts: nobody should wait four minutes to
    learn that Maven is missing.
    """
    screen = _Screen(width=max(len(step.title) for sequence in sequences for step in sequence))
    outcomes: list[Outcome] = []
    todo: list[list[Step]] = []
    for sequence in sequences:
        rest: list[Step] = []
        for step in sequence:
            began = time.monotonic()
            status = step.present()
            if status is not None:
                outcomes.append(Outcome(step.title, status, time.monotonic() - began))
                screen.finish(outcomes[-1])
            else:
                rest.append(step)
        todo.append(rest)

    missing = [outcome for sequence in todo for step in sequence if (outcome := _unmet(step)) is not None]
    if missing:
        for outcome in missing:
            screen.finish(outcome)
        return outcomes + missing

    with ThreadPoolExecutor(max_workers=len(sequences)) as pool:
        futures = [pool.submit(_run_sequence, sequence, screen) for sequence in todo if sequence]
        while not all(future.done() for future in futures):
            time.sleep(0.1)
            screen.beat()
    for future in futures:
        outcomes.extend(future.result())
    return outcomes


def _unmet(step: Step) -> Outcome | None:
    if step.requires is None:
        return None
    try:
        step.requires()
    except SetupProblem as problem:
        return Outcome(step.title, str(problem), 0.0, problem)
    return None


def _run_sequence(sequence: Sequence[Step], screen: _Screen) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for step in sequence:
        screen.start(step)
        began = time.monotonic()
        try:
            result = step.make()
            outcome = Outcome(step.title, result, time.monotonic() - began)
        except (SetupProblem, OSError) as error:
            problem = error if isinstance(error, SetupProblem) else SetupProblem(_plainly(step, error))
            outcome = Outcome(step.title, str(problem), time.monotonic() - began, problem)
        outcomes.append(outcome)
        screen.finish(outcome)
        if outcome.problem is not None:
            if isinstance(outcome.problem, StepFailed):
                with screen.lock:
                    print(
                        *(f"      | {line}" for line in outcome.problem.tail),
                        sep="\n",
                        file=sys.stderr,
                        flush=True,
                    )
            break
    return outcomes


def _plainly(step: Step, error: OSError) -> str:
    return f"{step.title} could not be written to disk: {error}."
