"""Durations of AWS's operations: measured in a rehearsal, or estimated as ranges to plan a working day with.

AWS publishes no durations, so the estimates are the authors', not measurements, and all of them are here. They grow with the size of
the storage: at best at AWS's ceiling for the copy of one snapshot ("Time-based copies for Amazon EBS snapshots", Amazon EBS User
Guide: 500 MiB/s), at worst at a tenth of it. A rename takes one to ten minutes ("Renaming a DB instance", Amazon RDS User Guide, and
users' reports).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from rds_encrypt.core.words import about
from rds_encrypt.settings import MeasuredSettings

__all__ = ["MOMENT", "RATES", "Estimates", "Operation", "Rate", "Span", "total"]

Operation = Literal["replica", "snapshot", "copy", "restore", "rename", "stop", "delete"]
"""An operation of AWS, as `measured` names it in the config."""

_MINUTE = 60.0
_GIB = 1024.0
"""MiB."""
_FASTEST, _SLOWEST = 500.0, 50.0
"""MiB/s."""


@dataclass(frozen=True)
class Span:
    """A range of seconds, which is one number where a rehearsal measured it.

    Attributes:
        measured: the operations in it that a rehearsal measured.
        estimated: the operations in it that are estimates.
    """

    low: float
    high: float
    measured: frozenset[Operation] = frozenset()
    estimated: frozenset[Operation] = frozenset()

    def __add__(self, other: Span) -> Span:
        return Span(
            self.low + other.low,
            self.high + other.high,
            self.measured | other.measured,
            self.estimated | other.estimated,
        )

    def __str__(self) -> str:
        if self.low == self.high:
            return f"about {about(self.low)}"
        if self.high < _MINUTE:
            return "seconds"
        low, high = about(self.low, in_minutes=True), about(self.high, in_minutes=True)
        if low == high:
            return f"about {high}"
        number, unit = low.split(" ")
        return f"{number} to {high}" if high.endswith(f" {unit}") else f"{low} to {high}"


@dataclass(frozen=True)
class Rate:
    """The estimated duration of one of AWS's operations.

    Attributes:
        base: the part that does not depend on the size, in seconds.
        best, worst: MiB/s of the other part; ``None`` where the size adds nothing.
    """

    base: Span
    best: float | None = None
    worst: float | None = None

    def over(self, gib: int) -> Span:
        """Return the duration for that much storage."""
        least, most = (gib * _GIB / speed if speed else 0.0 for speed in (self.best, self.worst))
        return self.base + Span(least, most)


MOMENT = Span(0, 30)
"""A few AWS API calls or statements."""
RATES: Mapping[Operation, Rate] = {
    # Begins with a snapshot of the source, which is quick if automated backups have left a recent one.
    "replica": Rate(Span(5 * _MINUTE, 20 * _MINUTE), None, _SLOWEST),
    # The first snapshot of a volume holds everything on it.
    "snapshot": Rate(Span(2 * _MINUTE, 10 * _MINUTE), None, _SLOWEST),
    # AWS reads, encrypts and writes every block.
    "copy": Rate(Span(3 * _MINUTE, 10 * _MINUTE), _FASTEST, _SLOWEST),
    # AWS loads the volume afterwards, while it is in use; settings may add a reboot.
    "restore": Rate(Span(5 * _MINUTE, 20 * _MINUTE)),
    "rename": Rate(Span(_MINUTE, 10 * _MINUTE)),
    "stop": Rate(Span(3 * _MINUTE, 15 * _MINUTE)),
    "delete": Rate(Span(3 * _MINUTE, 20 * _MINUTE)),
}
"""The estimates, in the order of a migration."""


@dataclass(frozen=True)
class Estimates:
    """How long AWS's operations take on one source.

    Attributes:
        gib: its storage.
        measured: the times of a rehearsal, if there was one; the other operations are estimated.
    """

    gib: int
    measured: MeasuredSettings | None = None

    def of(self, operation: Operation) -> Span:
        """Return the duration of an operation."""
        seconds: float | None = getattr(self.measured, operation, None)
        if seconds is None:
            return replace(RATES[operation].over(self.gib), estimated=frozenset({operation}))
        return Span(seconds, seconds, measured=frozenset({operation}))


def total(spans: Iterable[Span]) -> Span:
    """Return the sum."""
    return sum(spans, Span(0, 0))
