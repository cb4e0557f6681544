"""Turns the lag over time into shapes that the template draws: intervals that were polled, without the gaps between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from rds_encrypt.core.words import duration, utc

__all__ = ["HEIGHT", "WIDTH", "curve"]

WIDTH, HEIGHT = 900.0, 120.0
_GAP = timedelta(minutes=2)
"""The longest pause between two polls that one line spans; across a longer one, the line would be a guess."""
_BREAK = 36.0
"""Width of a gap on the page, independent of its duration."""


@dataclass(frozen=True)
class _Look:
    at: datetime
    seconds: float | None
    bytes: int


def curve(log: Mapping[str, Any] | None, level: Iterable[datetime] = ()) -> dict[str, Any] | None:
    """Return what to draw, or ``None`` if there are fewer than two polls.

    Args:
        log: the content of ``LagLog``'s file.
        level: moments at which a drain proved that nothing was left to execute.
    """
    looks = [
        _Look(datetime.fromisoformat(at), seconds, size) for at, seconds, size in (log or {}).get("looks", [])
    ]
    looks += [_Look(at, 0, 0) for at in level]
    looks.sort(key=lambda look: look.at)
    if len(looks) < 2:
        return None
    stretches = list(_stretches(looks))
    places, breaks = _placed(stretches)
    unit, name = (1e6, "MB") if max(look.bytes for look in looks) >= 1e5 else (1e3, "kB")
    panels = [
        _panel(
            f"{name} of binlog behind",
            unit,
            [[(at, look.bytes) for at, look in row] for row in places],
            f"{{:,.1f}} {name}",
        ),
        _panel(
            "seconds behind",
            1.0,
            [[(at, look.seconds) for at, look in row if look.seconds is not None] for row in places],
            "{:,.0f} s",
        ),
    ]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "panels": [panel for panel in panels if panel is not None],
        "breaks": breaks,
        "began": utc(looks[0].at)[:-4],
        "ended": utc(looks[-1].at)[:-4],
        "looks": len(looks),
    }


def _stretches(looks: list[_Look]) -> Iterator[list[_Look]]:
    stretch = [looks[0]]
    for before, look in pairwise(looks):
        if look.at - before.at > _GAP:
            yield stretch
            stretch = []
        stretch.append(look)
    yield stretch


def _placed(stretches: list[list[_Look]]) -> tuple[list[list[tuple[float, _Look]]], list[dict[str, Any]]]:
    """Return each poll with its place from left to right, true to time within an interval; and each gap with its duration."""
    watched = sum((row[-1].at - row[0].at).total_seconds() for row in stretches)
    scale = (WIDTH - _BREAK * (len(stretches) - 1)) / max(watched, 0.001)
    places, breaks, left = [], [], 0.0
    for number, row in enumerate(stretches):
        if number:
            unwatched = (row[0].at - stretches[number - 1][-1].at).total_seconds()
            breaks.append({"x": round(left, 1), "width": _BREAK, "lasted": duration(unwatched)})
            left += _BREAK
        places.append([(left + (look.at - row[0].at).total_seconds() * scale, look) for look in row])
        left = places[-1][-1][0]
    return places, breaks


def _panel(
    title: str, unit: float, rows: list[list[tuple[float, float]]], words: str
) -> dict[str, Any] | None:
    """Return the shapes of one panel, and the value of its highest point."""
    if not any(rows):
        return None
    most = max(value for row in rows for _, value in row)
    height = HEIGHT / max(most, 1e-9)
    return {
        "title": title,
        "most": words.format(most / unit),
        "lines": [
            " ".join(f"{x:.1f},{HEIGHT - value * height:.1f}" for x, value in row)
            for row in rows
            if len(row) > 1
        ],
        "areas": [
            f"{row[0][0]:.1f},{HEIGHT:.1f} "
            + " ".join(f"{x:.1f},{HEIGHT - value * height:.1f}" for x, value in row)
            + f" {row[-1][0]:.1f},{HEIGHT:.1f}"
            for row in rows
            if len(row) > 1
        ],
        "points": [
            {"x": round(row[0][0], 1), "y": round(HEIGHT - row[0][1] * height, 1)}
            for row in rows
            if len(row) == 1
        ],
    }
