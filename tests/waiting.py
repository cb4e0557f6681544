"""One wait for all tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PATIENCE", "until"]

PATIENCE = 300.0
"""Seconds. It ends what hangs, and nothing else: a machine that does much besides is ten times slower than usual."""

T = TypeVar("T")


def until(
    look: Callable[[], T],
    accept: Callable[[T], object] = bool,
    *,
    what: str = "",
    patience: float = PATIENCE,
    pause: float = 0.05,
) -> T:
    """Look until the value is accepted, and return it; fail with the last one seen."""
    end = time.monotonic() + patience
    while not accept(value := look()):
        assert time.monotonic() < end, f"waited {patience:.0f} s for {what or 'this'}; last seen: {value}"
        time.sleep(pause)
    return value
