"""What a run of the suite was asked for, and what its parts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dev.bench.run import Say

__all__ = ["Wish"]


@dataclass(frozen=True)
class Wish:
    """How to measure.

    Attributes:
        full: as in `make bench-full`, which takes hours, instead of minutes.
        sources: how many in one stack, each with a figure of its own; empty for the suite's own choice.
        directory: holds the sandboxes and the stacks.
        say: shows how far a part has come.
    """

    full: bool
    engine: str
    sources: tuple[int, ...]
    directory: Path
    console: Console
    say: Say

    def place(self, name: str) -> Path:
        """Return a fresh directory."""
        found = self.directory / name
        found.mkdir(parents=True)
        return found
