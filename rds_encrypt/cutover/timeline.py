"""The timeline of a cutover: its moments, what the checks saw before, and how long writes were refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

__all__ = ["CheckResult", "Moment", "Outage", "Timeline", "moments_from", "outage"]


class Moment(StrEnum):
    """The moments of a cutover, in order; each is when rds-encrypt saw it."""

    FENCE_REQUESTED = "fence_requested"
    FENCED = "fenced"
    DRAINED = "drained"
    CHECKED = "checked"
    PROMOTED = "promoted"
    CUTOVER_BEGAN = "swap_began"
    FIRST_RENAMED = "first_renamed"
    SECOND_RENAMED = "second_renamed"
    APPLICATIONS_MOVED = "applications_moved"
    OPEN = "open"
    ROLLBACK_PATH_OPEN = "way_back_open"
    FENCE_LIFTED = "fence_lifted"
    """Only if it was undone: applications write to the primary again."""


@dataclass(frozen=True)
class CheckResult:
    """What a check saw, and whether it passed."""

    name: str
    passed: bool
    saw: str


class Timeline:
    """Records when each moment was first reached, and the last result of each check."""

    def __init__(self) -> None:
        self._moments: dict[Moment, datetime] = {}
        self._checks: dict[str, CheckResult] = {}
        self._noted: Callable[[], None] = _nobody

    @property
    def moments(self) -> Mapping[Moment, datetime]:
        """The moments reached so far, in the order of the clock."""
        return dict(sorted(self._moments.items(), key=lambda entry: entry[1]))

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """What the checks saw last, in the order in which they ran."""
        return tuple(self._checks.values())

    def watch(self, noted: Callable[[], None]) -> None:
        """Call ``noted`` after each new moment."""
        self._noted = noted

    def mark(self, moment: Moment) -> None:
        """Record that a moment is now, unless it was before; a fence that never closed is not lifted either."""
        unfenced = moment is Moment.FENCE_LIFTED and Moment.FENCE_REQUESTED not in self._moments
        if moment in self._moments or unfenced:
            return
        self._moments[moment] = datetime.now(UTC)
        self._noted()

    def resume(self, earlier: Mapping[Moment, datetime]) -> None:
        """Take over the moments of the run that this one continues."""
        self._moments = {**earlier, **self._moments}

    def read(self, checks: Iterable[CheckResult]) -> None:
        """Record what the checks saw."""
        self._checks |= {check.name: check for check in checks}

    def as_outputs(self) -> dict[str, str]:
        """Return ISO 8601 times in UTC by moment; what a killed run had not written is missing."""
        return {str(moment): when.isoformat(timespec="milliseconds") for moment, when in self.moments.items()}


@dataclass(frozen=True)
class Outage:
    """How long writes were refused, in seconds.

    rds-encrypt cannot see when the first write was refused: between its request for the fence and the refusal of its own
    attempt. So there are two bounds.

    Attributes:
        at_least: from the refusal of our own attempt until a write was accepted.
        at_most: from the request for the fence until a write was accepted.
        renames: the part that AWS's renames took; 0 if no name moved.
    """

    at_least: float
    at_most: float
    renames: float

    @property
    def ours(self) -> float:
        """What everything but the renames took, at most."""
        return self.at_most - self.renames

    def as_outputs(self) -> dict[str, float]:
        """Return the figures in seconds."""
        figures = {
            "at_least": self.at_least,
            "at_most": self.at_most,
            "ours": self.ours,
            "renames": self.renames,
        }
        return {name: round(seconds, 3) for name, seconds in figures.items()}


def outage(moments: Mapping[Moment, datetime]) -> Outage | None:
    """Return how long writes were refused, or ``None`` if one end of that is not known.

    It ends when the candidate accepts writes; for one that was undone, when the primary does again.
    """
    asked, closed = moments.get(Moment.FENCE_REQUESTED), moments.get(Moment.FENCED)
    over = moments.get(Moment.OPEN, moments.get(Moment.FENCE_LIFTED))
    if asked is None or over is None:
        return None
    return Outage(
        at_least=(over - closed).total_seconds() if closed is not None else 0.0,
        at_most=(over - asked).total_seconds(),
        renames=_renames(moments),
    )


def moments_from(outputs: Mapping[str, str]) -> dict[Moment, datetime]:
    """Read what ``as_outputs`` wrote, in the order of the clock: Pulumi sorts outputs by name."""
    moments = {Moment(name): datetime.fromisoformat(when) for name, when in outputs.items()}
    return dict(sorted(moments.items(), key=lambda entry: entry[1]))


def _renames(moments: Mapping[Moment, datetime]) -> float:
    began, ended = moments.get(Moment.CUTOVER_BEGAN), moments.get(Moment.SECOND_RENAMED)
    return (ended - began).total_seconds() if began is not None and ended is not None else 0.0


def _nobody() -> None:
    """Do nothing: no watcher."""
