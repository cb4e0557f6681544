"""Lines of the catch-up: how fast the encrypted instance applies what the source wrote, beside the source's plain replica."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Protocol

from bench.suite.lines import Line, at_most
from bench.suite.wish import Wish

__all__ = ["Figures", "catch_up", "lines_of"]

_MEGABYTES, _MEGABYTES_IN_FULL = 15.0, 100.0
_REPLICA = "the source's plain replica"


class Figures(Protocol):
    """What `bench.catch_up` measures: bytes of binlog applied a second, and whether the settings are what they were."""

    @property
    def ours(self) -> float: ...
    @property
    def peer(self) -> float: ...
    @property
    def left_alone(self) -> float: ...
    @property
    def left_alone_peer(self) -> float: ...
    @property
    def settings(self) -> Mapping[str, str]: ...
    @property
    def put_back(self) -> bool: ...


def catch_up(wish: Wish) -> Iterator[Line]:
    """Let both make up for the same."""
    megabytes = _MEGABYTES_IN_FULL if wish.full else _MEGABYTES
    measure = importlib.import_module("bench.catch_up").measure
    yield from lines_of(measure(wish.engine, wish.place("catch-up"), wish.console, megabytes=megabytes))


def lines_of(figures: Figures) -> Iterator[Line]:
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
