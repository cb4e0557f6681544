"""The briefing: what can be said of a cut-over or rollback before anybody drives it, by asking the guards and the strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from migration.cutover import guards
from migration.cutover.fences import fence_of
from migration.cutover.site import Site
from migration.cutover.timeline import GuardReading

__all__ = ["Briefing", "briefing", "concerns"]

_CONCERNS: Mapping[str, Callable[[Site], bool]] = {
    "record-points-here": lambda site: site.strategy.record is not None,
}
"""Guards that have nothing to say in some cases."""


def concerns(site: Site, guard: str) -> bool:
    """Whether a guard has anything to say of this cut-over."""
    return guard not in _CONCERNS or _CONCERNS[guard](site)


@dataclass(frozen=True)
class Briefing:
    """What guards see now, and the moves before and after the point of no return."""

    guards: tuple[GuardReading, ...]
    forced: frozenset[str]
    undoable: tuple[str, ...]
    final: tuple[str, ...]


def briefing(site: Site) -> Briefing:
    """Look at both instances, and change nothing."""
    with site.sessions() as (losing, winning):
        readings = guards.read(site, losing, winning)
    now = site.still()
    return Briefing(
        guards=tuple(
            GuardReading(name, reading.green, reading.saw)
            for name, reading in readings.items()
            if concerns(site, name)
        ),
        forced=site.forced,
        undoable=tuple(_moves_until_swap(now)),
        final=(
            *site.strategy.moves(now),
            "confirm: who answers, that it takes writes, that the other one refuses them; enable events",
        ),
    )


def _moves_until_swap(site: Site) -> list[str]:
    losing, winning = site.losing().identifier, site.winning().identifier
    moves = []
    if site.postponed:
        moves.append("hold until an operator releases it")
    if site.hooks.before:
        moves.append(f"ask `{site.hooks.before[0]}`, which may veto")
    return [
        *moves,
        f"fence {losing}: {fence_of(site)}",
        f"drain: {winning} executes the last change of {losing}",
        *(["compare the newest rows of both, for a second at most"] if site.limits.verify != "off" else []),
        f"promote {winning}, and let {losing} follow it from there",
    ]
