"""Readable times and durations."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["duration", "utc"]


def duration(seconds: float) -> str:
    """Return seconds in the units that fit: ``4.1 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 d 4 h``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def utc(when: datetime) -> str:
    """Return a moment in UTC with milliseconds, without the zone."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
