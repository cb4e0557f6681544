"""How long AWS's part of the road takes, as ranges to plan a working day with.

AWS publishes no durations, so these are the makers' estimates, not measurements, and all of them stand here. They grow with the
size of the storage: at best at the ceiling that AWS names for the copy of one snapshot ("Time-based copies for Amazon EBS
snapshots", Amazon EBS User Guide: 500 MiB/s), at worst at a tenth of that. A rename is from one to ten minutes ("Renaming a DB
instance", Amazon RDS User Guide, and reports of users).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "COPY",
    "DELETE",
    "MOMENT",
    "RENAME",
    "REPLICA",
    "RESTORE",
    "SNAPSHOT",
    "STOP",
    "Rate",
    "Span",
    "total",
]

_MINUTE = 60.0
_GIB = 1024.0
"""MiB."""
_FASTEST, _SLOWEST = 500.0, 50.0
"""MiB/s."""


@dataclass(frozen=True)
class Span:
    """From so many seconds to so many."""

    low: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.high + other.high)

    def __str__(self) -> str:
        if self.high < _MINUTE:
            return "seconds"
        low, high = _rounded(self.low), _rounded(self.high)
        number, unit = low.split(" ")
        return f"{number} to {high}" if high.endswith(f" {unit}") else f"{low} to {high}"


@dataclass(frozen=True)
class Rate:
    """What one of AWS's operations takes.

    Attributes:
        base: whatever the size, in seconds.
        best, worst: MiB/s on top of that; ``None`` where the size adds nothing.
    """

    base: Span
    best: float | None = None
    worst: float | None = None

    def over(self, gib: int) -> Span:
        """Return what it takes for that much storage."""
        seconds = [gib * _GIB / speed if speed else 0.0 for speed in (self.best, self.worst)]
        return self.base + Span(*seconds)


MOMENT = Rate(Span(0, 30))
"""A few calls of AWS's API, or a few statements."""
REPLICA = Rate(Span(5 * _MINUTE, 20 * _MINUTE), None, _SLOWEST)
"""Begins with a snapshot of the source, which is short where automated backups have left a recent one."""
SNAPSHOT = Rate(Span(2 * _MINUTE, 10 * _MINUTE), None, _SLOWEST)
"""The first one of a volume holds all that is on it."""
COPY = Rate(Span(3 * _MINUTE, 10 * _MINUTE), _FASTEST, _SLOWEST)
"""Every block is read, encrypted and written."""
RESTORE = Rate(Span(5 * _MINUTE, 20 * _MINUTE))
"""The volume is loaded afterwards, while it is in use; settings may add a reboot."""
RENAME = Rate(Span(_MINUTE, 10 * _MINUTE))
STOP = Rate(Span(3 * _MINUTE, 15 * _MINUTE))
DELETE = Rate(Span(3 * _MINUTE, 20 * _MINUTE))


def total(spans: list[Span]) -> Span:
    """Return the sum."""
    return sum(spans, Span(0, 0))


def _rounded(seconds: float) -> str:
    if seconds < 90 * _MINUTE:
        return f"{max(round(seconds / _MINUTE), 1)} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 10 else f"{hours:.0f} h"
