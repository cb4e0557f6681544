"""Estimated durations of AWS's operations, as ranges to plan a working day with.

AWS publishes no durations, so these are the authors' estimates, not measurements, and all of them are here. They grow with the
size of the storage: at best at AWS's ceiling for the copy of one snapshot ("Time-based copies for Amazon EBS snapshots", Amazon
EBS User Guide: 500 MiB/s), at worst at a tenth of it. A rename takes one to ten minutes ("Renaming a DB instance", Amazon RDS
User Guide, and users' reports).
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
    """A range of seconds."""

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
    """The duration of one of AWS's operations.

    Attributes:
        base: the part that does not depend on the size, in seconds.
        best, worst: MiB/s of the other part; ``None`` where the size adds nothing.
    """

    base: Span
    best: float | None = None
    worst: float | None = None

    def over(self, gib: int) -> Span:
        """Return the duration for that much storage."""
        seconds = [gib * _GIB / speed if speed else 0.0 for speed in (self.best, self.worst)]
        return self.base + Span(*seconds)


MOMENT = Rate(Span(0, 30))
"""A few AWS API calls or statements."""
REPLICA = Rate(Span(5 * _MINUTE, 20 * _MINUTE), None, _SLOWEST)
"""Begins with a snapshot of the source, which is quick if automated backups have left a recent one."""
SNAPSHOT = Rate(Span(2 * _MINUTE, 10 * _MINUTE), None, _SLOWEST)
"""The first snapshot of a volume holds everything on it."""
COPY = Rate(Span(3 * _MINUTE, 10 * _MINUTE), _FASTEST, _SLOWEST)
"""AWS reads, encrypts and writes every block."""
RESTORE = Rate(Span(5 * _MINUTE, 20 * _MINUTE))
"""AWS loads the volume afterwards, while it is in use; settings may add a reboot."""
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
