"""Durations, moments, sizes, counts and folded lines, as terminal and reports show them."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime

__all__ = ["WIDTH", "about", "counted", "duration", "folded", "gib", "utc"]

WIDTH = 76
"""Characters of a line: a terminal of 80 columns, in which the engine indents by four."""


def duration(seconds: float) -> str:
    """Return a measured duration in the units that fit: ``4.1 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 d 4 h``."""
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


def about(seconds: float, *, in_minutes: bool = False) -> str:
    """Return an estimated duration, rounded: ``30 s`` (``in_minutes``: ``1 min``), ``12 min``, ``1.5 h``, ``14 h``."""
    if seconds < 100 and not in_minutes:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{max(round(seconds / 60), 1)} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 10 else f"{hours:.0f} h"


def utc(when: datetime) -> str:
    """Return a moment in UTC with milliseconds, without the zone."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def gib(octets: float) -> str:
    """Return a number of bytes in GiB: ``1.5 GiB``."""
    return f"{octets / 2**30:.1f} GiB"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not one: ``1 row``, ``1,200 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def folded(text: str, first: str = "", rest: str = "  ", width: int = WIDTH) -> list[str]:
    """Return text in lines that fit; ``first`` opens the first one, ``rest`` the others. On its own, a terminal breaks words."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
