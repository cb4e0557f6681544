"""The lines of the suite: each a figure of ours beside its peer's, their ratio, and the limit that it must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dev.bench import command

__all__ = ["Limit", "Line", "at_least", "at_most", "failed", "markdown", "sentences", "show", "table"]

_TITLES = ("figure", "ours", "peer", "ratio", "limit", "the peer")
_WORDS = {"figure", "limit", "the peer"}


@dataclass(frozen=True)
class Limit:
    """What a line must keep: the ratio if there is one, else our own figure."""

    value: float
    most: bool

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.value:g}"

    def kept_by(self, figure: float) -> bool:
        """Whether a figure is within the limit."""
        return figure <= self.value if self.most else figure >= self.value


def at_most(value: float) -> Limit:
    """Return the limit of what should be small."""
    return Limit(value, most=True)


def at_least(value: float) -> Limit:
    """Return the limit of what should be large."""
    return Limit(value, most=False)


@dataclass(frozen=True)
class Line:
    """One figure.

    Attributes:
        name: what was measured.
        ours: our figure, in ``unit``; none where the part failed.
        peer: the figure of what it is measured against, in the same run.
        peer_name: what that is.
        limit: none where the line is only reported.
        trouble: why there is no figure.
    """

    name: str
    ours: float | None
    unit: str
    peer: float | None = None
    peer_name: str | None = None
    limit: Limit | None = None
    trouble: str | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's; none where there is no peer, or it is zero."""
        if self.ours is None or not self.peer:
            return None
        return self.ours / self.peer

    @property
    def complaint(self) -> str | None:
        """Say what is wrong with the line, if something is."""
        if self.trouble is not None:
            return f"{self.name}: no figure, {self.trouble}"
        figure = self.ours if self.ratio is None else self.ratio
        if self.limit is None or figure is None or self.limit.kept_by(figure):
            return None
        of = f" × {self.peer_name}" if self.ratio is not None else f" {self.unit}"
        return f"{self.name}: {figure:.3g}{of.rstrip()}, and the limit is {self.limit}"

    def as_json(self) -> dict[str, Any]:
        """Return what ``build/bench.json`` says of the line; one without a figure says why."""
        fields: dict[str, Any] = {
            "name": self.name,
            "ours": _rounded(self.ours),
            "peer": _rounded(self.peer),
            "peer_name": self.peer_name,
            "limit": None if self.limit is None else str(self.limit),
            "ratio": _rounded(self.ratio),
            "unit": self.unit,
        }
        return fields if self.trouble is None else {**fields, "trouble": self.trouble}


def show(console: Console, lines: Sequence[Line]) -> int:
    """Print the lines, and a sentence for each that is not as it should be; return 0 if there is none."""
    console.print()
    console.print(table(lines))
    for sentence in sentences(lines):
        console.print(f"✗ {sentence}.", style="red", markup=False, soft_wrap=True)
    return 1 if sentences(lines) else 0


def failed(name: str, why: str) -> Line:
    """Return the line of a part that came to no figure."""
    return Line(name, None, "", trouble=why)


def sentences(lines: Sequence[Line]) -> list[str]:
    """Return one sentence for each line that is over its limit or has no figure."""
    return [line.complaint for line in lines if line.complaint is not None]


def table(lines: Sequence[Line]) -> Table:
    """Return all lines as one table."""
    lines_table = command.table(_TITLES, _WORDS)
    for line in lines:
        lines_table.add_row(*map(escape, _cells(line)), style="red" if line.complaint else None)
    return lines_table


def markdown(lines: Sequence[Line]) -> str:
    """Return the same for a page of the documentation."""
    rows = [
        _TITLES,
        tuple("---" if title in _WORDS else "---:" for title in _TITLES),
        *map(_cells, lines),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    if line.trouble is not None:
        return (line.name, "–", "–", "–", "", line.trouble)
    return (
        line.name,
        _figure(line.ours, line.unit),
        _figure(line.peer, line.unit),
        "–" if line.ratio is None else f"{line.ratio:.2f}",
        "" if line.limit is None else str(line.limit),
        line.peer_name or "",
    )


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
