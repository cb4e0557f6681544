"""Waits as data: one loop serves every wait, each with an interval, a deadline and a failure test."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rds_encrypt.core.errors import ActionRequired, Cancelled, MigrationError, TimedOut

__all__ = ["Progress", "Wait", "silent", "stop_if_orphaned", "until"]

T = TypeVar("T")

Progress = Callable[[str], None]
"""Receives a short message on a wait's progress."""

_COORDINATOR = os.getppid()

_WIDEST = 10.0
"""Seconds between the polls of waits that have reached their longest pause."""
_FINEST = _WIDEST / 8
"""Shorter pauses are not aligned: a caller may count on them."""
_OFFSET = random.uniform(0, _WIDEST)  # noqa: S311 - not cryptography
"""Keeps this process's polls apart from those of other processes, which cannot share a request with it."""


def silent(_message: str) -> None:
    """Drop a progress message."""


@dataclass(frozen=True)
class Wait:
    """How to wait for one thing.

    Attributes:
        what: what to wait for ("orders to be available"), for the error when the deadline passes.
        deadline: seconds after which the wait fails.
        first: seconds before the second poll.
        longest: the longest pause, in seconds.
        advice: what to do when the deadline passes.
        where: the instance, host or resource concerned, if ``what`` does not name it.
        growth: the factor from one pause to the next.
    """

    what: str
    deadline: float
    first: float = 0.3
    longest: float = 10.0
    advice: str = "Run the same command again to continue waiting"
    where: str = ""
    growth: float = 1.5


def until(
    wait: Wait,
    look: Callable[[], T],
    *,
    done: Callable[[T], bool],
    failed: Callable[[T], MigrationError | str | None] = lambda _result: None,
    describe: Callable[[T], str] = repr,
    progress: Progress = silent,
) -> T:
    """Poll until ``done`` holds, and return the last result.

    Raises:
        ActionRequired: ``failed`` gave a reason why waiting is pointless, as text or as the error itself.
        TimedOut: the deadline passed; the message ends with the last result.
        Cancelled: the process that started this one has ended, so nothing waits for the result.
    """
    started = time.monotonic()
    pause = wait.first
    while True:
        result = look()
        if done(result):
            return result
        if reason := failed(result):
            if isinstance(reason, MigrationError):
                raise reason
            raise ActionRequired(
                f"waiting for {wait.what} is pointless: {reason}", where=wait.where, fix=wait.advice
            )
        elapsed = time.monotonic() - started
        progress(describe(result))
        if elapsed > wait.deadline:
            raise TimedOut(
                f"waited {elapsed:.0f} s for {wait.what}; last seen: {describe(result)}",
                where=wait.where,
                fix=wait.advice,
            )
        stop_if_orphaned(wait.what)
        time.sleep(_drawn(min(pause, wait.longest)))
        pause *= wait.growth


def _drawn(pause: float) -> float:
    """Return about ``pause`` seconds; long pauses of all waits in this process end at the same moments.

    Polls at the same moment share one request (``rds_encrypt.aws.batching``). The moments are on a grid as wide as the pause
    allows, each grid twice as wide as the next finer one, so that a wait with long pauses meets all those with shorter ones.
    """
    if pause < _FINEST:
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - not cryptography
    width = _WIDEST
    while width > pause:
        width /= 2
    now = time.monotonic() - _OFFSET
    return math.ceil((now + pause / 2) / width) * width - now


def stop_if_orphaned(what: str) -> None:
    """Detect that the engine died, which does not notify dynamic providers of a cancel.

    Raises:
        Cancelled: it did.
    """
    if os.getppid() != _COORDINATOR:
        raise Cancelled(
            f"the run that waited for {what} has ended",
            fix="Run `pulumi cancel` if Pulumi says that the stack is locked, then `pulumi up` again",
        )
