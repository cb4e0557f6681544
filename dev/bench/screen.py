"""Where the benches print."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["screen"]

_WIDE = 160


def screen() -> Console:
    """Return the terminal; into a file, it is as wide as the widest table, so that nothing is cut off."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
