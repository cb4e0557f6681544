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
"""Receives a few words on how far a wait has come."""

_COORDINATOR = os.getppid()

_WIDEST = 10.0
"""Seconds between the moments at which waits look that have reached their longest pause."""
_FINEST = _WIDEST / 8
"""A shorter pause is nobody's but its own: somebody may count on it."""
_OFFSET = random.uniform(0, _WIDEST)  # noqa: S311 - not cryptography
"""Moves the moments of this process away from those of others, whose looks cannot be put together with ours."""


def silent(_message: str) -> None:
    """A progress receiver that drops what it is told."""


@dataclass(frozen=True)
class Wait:
    """How to wait for one thing.

    Attributes:
        what: what is waited for; starts the error when the deadline passes ("orders to be available").
        deadline: seconds after which the wait fails.
        first: seconds before the second look.
        longest: seconds that a pause grows up to.
        advice: what a person should look at when the deadline passes.
        where: the instance, host or resource concerned, if ``what`` does not name it.
        growth: by how much each pause is longer than the one before.
    """

    what: str
    deadline: float
    first: float = 0.3
    longest: float = 10.0
    advice: str = "Run the same command again to go on waiting"
    where: str = ""
    growth: float = 1.5


def until(
    wait: Wait,
    look: Callable[[], T],
    *,
    done: Callable[[T], bool],
    failed: Callable[[T], MigrationError | str | None] = lambda _seen: None,
    describe: Callable[[T], str] = repr,
    progress: Progress = silent,
) -> T:
    """Look again and again until ``done`` holds, and return what was seen then.

    Raises:
        ActionRequired: ``failed`` gave a reason why waiting is pointless, in a few words or as the error itself.
        TimedOut: the deadline passed; the message ends with the last thing seen.
        Cancelled: the process that started this one has gone, so nobody waits for the result.
    """
    started = time.monotonic()
    pause = wait.first
    while True:
        seen = look()
        if done(seen):
            return seen
        if reason := failed(seen):
            if isinstance(reason, MigrationError):
                raise reason
            raise ActionRequired(
                f"waiting for {wait.what} is pointless: {reason}", where=wait.where, fix=wait.advice
            )
        elapsed = time.monotonic() - started
        progress(describe(seen))
        if elapsed > wait.deadline:
            raise TimedOut(
                f"waited {elapsed:.0f} s for {wait.what}; last seen: {describe(seen)}",
                where=wait.where,
                fix=wait.advice,
            )
        stop_if_orphaned(wait.what)
        time.sleep(_drawn(min(pause, wait.longest)))
        pause *= wait.growth


def _drawn(pause: float) -> float:
    """Return about so many seconds; from a long pause, all waits of this process come back at the same moments.

    Looks at the same moment become one request (``rds_encrypt.core.together``). Moments lie on a grid that is as wide as the pause
    allows, each grid twice as wide as the one before, so that a wait with long pauses meets all those with shorter ones.
    """
    if pause < _FINEST:
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - not cryptography
    width = _WIDEST
    while width > pause:
        width /= 2
    now = time.monotonic() - _OFFSET
    return math.ceil((now + pause / 2) / width) * width - now


def stop_if_orphaned(what: str) -> None:
    """Notice that the engine died: dynamic providers are not told of a cancel.

    Raises:
        Cancelled: it did.
    """
    if os.getppid() != _COORDINATOR:
        raise Cancelled(
            f"the run that waited for {what} has ended",
            fix="Run `pulumi cancel` if Pulumi says that the stack is locked, then `pulumi up` again",
        )
