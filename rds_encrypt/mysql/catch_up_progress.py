"""How fast a replica comes nearer to its source, and when it will be level: from a few looks, a minute back at most."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rds_encrypt.mysql.coordinates import Coordinates

__all__ = ["CatchUpProgress"]

_WINDOW = 60.0
"""Seconds over which rates are averaged: longer than a burst of writes, shorter than a change of the load."""
_ENOUGH = 2.0
"""Seconds that two looks must lie apart, for a rate to mean something."""


@dataclass(frozen=True)
class _Look:
    at: float
    executed: Coordinates
    behind: int


class CatchUpProgress:
    """Follows one catch-up; ``between`` counts the bytes that the source has written since given coordinates."""

    def __init__(
        self, between: Callable[[Coordinates], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._between = between
        self._clock = clock
        self._looks: deque[_Look] = deque()
        self._most = 0

    def words(self, executed: Coordinates, behind: int) -> str:
        """Take in a look, and say what is known of the rest of the way; nothing at first."""
        now = _Look(self._clock(), executed, behind)
        self._looks.append(now)
        while len(self._looks) > 2 and now.at - self._looks[1].at >= _WINDOW:
            self._looks.popleft()
        self._most = max(self._most, behind)
        then = self._looks[0]
        seconds = now.at - then.at
        if seconds < _ENOUGH or behind == 0:
            return ""
        percent = 100 * (self._most - behind) // self._most
        applied = (self._between(then.executed) - behind) / seconds
        gained = (then.behind - behind) / seconds
        left = f"{_duration(behind / gained)} left" if gained > 0 else "not gaining on the source"
        return f"{percent} %, {left}, applies {_rate(applied)}"


def _rate(bytes_a_second: float) -> str:
    return f"{bytes_a_second / 1e6:.1f} MB/s" if bytes_a_second >= 1e5 else f"{bytes_a_second / 1e3:.0f} kB/s"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
