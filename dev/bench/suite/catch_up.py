"""Lines of the catch-up: how fast the encrypted instance applies what the source wrote, beside the source's plain replica."""

from __future__ import annotations

from collections.abc import Iterator

from dev.bench.catch_up import CatchUpFigures, measure
from dev.bench.suite.lines import Line, at_most
from dev.bench.suite.wish import Wish

__all__ = ["catch_up", "lines_of"]

_MEGABYTES, _MEGABYTES_IN_FULL = 15.0, 100.0
_REPLICA = "the source's plain replica"


def catch_up(wish: Wish) -> Iterator[Line]:
    """Let both make up for the same."""
    megabytes = _MEGABYTES_IN_FULL if wish.full else _MEGABYTES
    yield from lines_of(measure(wish.engine, wish.place("catch-up"), wish.console, megabytes=megabytes))


def lines_of(figures: CatchUpFigures) -> Iterator[Line]:
    """Return the rates with and without the settings that are changed for the time, and those that were not put back."""
    mega = 1e6
    yield Line("catch-up, binlog applied", figures.ours / mega, "MB/s", figures.peer / mega, _REPLICA)
    yield Line(
        "catch-up, durability left alone",
        figures.left_alone / mega,
        "MB/s",
        figures.left_alone_peer / mega,
        _REPLICA,
    )
    left = 0 if figures.put_back else len(figures.settings)
    yield Line("catch-up, settings changed for it and not put back", left, "", limit=at_most(0))
