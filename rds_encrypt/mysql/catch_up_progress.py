"""How fast a replica catches up with its source, and how long it still needs: from polls of at most the last minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rds_encrypt.core.words import about
from rds_encrypt.mysql.coordinates import Coordinates

__all__ = ["CatchUpProgress"]

_WINDOW = 60.0
"""Seconds over which rates are averaged: longer than a burst of writes, shorter than a change in load."""
_ENOUGH = 2.0
"""Seconds between two polls from which a rate is meaningful."""


@dataclass(frozen=True)
class _Look:
    at: float
    executed: Coordinates
    behind: int


class CatchUpProgress:
    """Measures one catch-up; ``between`` counts the bytes that the source has written since given coordinates."""

    def __init__(
        self, between: Callable[[Coordinates], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._between = between
        self._clock = clock
        self._looks: deque[_Look] = deque()
        self._most = 0

    def words(self, executed: Coordinates, behind: int) -> str:
        """Record a poll and describe progress, time left and throughput; empty at first."""
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
        left = f"{about(behind / gained)} left" if gained > 0 else "not gaining on the source"
        return f"{percent} %, {left}, applies {_rate(applied)}"


def _rate(bytes_a_second: float) -> str:
    return f"{bytes_a_second / 1e6:.1f} MB/s" if bytes_a_second >= 1e5 else f"{bytes_a_second / 1e3:.0f} kB/s"
