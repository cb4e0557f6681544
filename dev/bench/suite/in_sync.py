"""Lines of `pulumi up` in phase `replicate`: beside the critical path that AWS imposes, and beside the plain runbook."""

from __future__ import annotations

from collections.abc import Iterator

from dev.bench.critical_path import Road
from dev.bench.in_sync import InSync, measure
from dev.bench.suite.lines import Line, at_most
from dev.bench.suite.wish import Wish

__all__ = ["in_sync", "lines_of"]

_QUICK = 0.08
"""The factor on the profile's times in the quick suite; the full one takes them as they are."""
_OVER_PATH = 1.05
_PATH = "critical path of the time model"


def in_sync(wish: Wish) -> Iterator[Line]:
    """Take one source as far as in sync, in the profile `realistic`."""
    factor = 1.0 if wish.full else _QUICK
    found = measure(wish.place("in-sync"), wish.engine, factor, wish.say)
    for road, name in ((found.ours, "ours"), (found.runbook, "runbook")):
        wish.say(f"{name}: {_account(road)}")
    yield from lines_of(found)


def lines_of(found: InSync) -> Iterator[Line]:
    """Return the whole, what of it nobody who declares instances can avoid, and what is left for us."""
    ours, runbook = found.ours, found.runbook
    path = ours.path_unscaled
    how = "" if ours.factor == 1 else f" (at {ours.factor:g} of its times, stretched)"
    yield Line(f"time to in-sync{how}", ours.seconds_unscaled, "s", path, _PATH)
    yield Line("time to in-sync: polling of the AWS provider", ours.polling_unscaled, "s", path, _PATH)
    yield Line("time to in-sync: the sandbox's servers, starting", ours.servers, "s", path, _PATH)
    yield Line("time to in-sync without those two", path + ours.own, "s", path, _PATH, at_most(_OVER_PATH))
    yield Line(
        "time to in-sync beside the runbook", ours.seconds_unscaled, "s", runbook.seconds_unscaled, _WAITERS
    )
    yield Line("time beyond the critical path", _beyond(ours), "s", _beyond(runbook), _WAITERS)
    yield Line("AWS calls in a minute of waiting", ours.rate, "", runbook.rate, _WAITERS)
    yield Line("our AWS calls in a minute of waiting", ours.own_rate, "", runbook.rate, _WAITERS)


_WAITERS = "plain runbook, AWS CLI waiters of 30 s"


def _beyond(road: Road) -> float:
    return road.seconds_unscaled - road.path_unscaled


def _account(road: Road) -> str:
    gaps = ", ".join(f"{where} {seconds:.1f} s" for where, seconds in road.gaps)
    return (
        f"{road.seconds:.1f} s, of them path {road.imposed:.1f}, polling {road.polling:.1f}, servers {road.servers:.1f},"
        f" own {road.own:.1f} ({gaps})"
    )
