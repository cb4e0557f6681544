"""How long `pulumi up` in phase `replicate` takes, beside what AWS imposes, and beside the plain runbook.

Both procedures run at the same time, each in a sandbox of its own, in the profile `realistic` times a factor. They wait nearly all of
the time, so neither disturbs the other. With a factor below 1, what depends on the time model is stretched to the profile's pace
afterwards (`dev.bench.critical_path`); what does not, such as our own seconds, is taken as it was measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.bench.command import Say
from dev.bench.critical_path import OURS, Procedure, operations
from dev.bench.lines import Line, at_most
from dev.bench.model import Model
from dev.bench.run import Ours, Place, place, runbook_of
from dev.sandbox.rds.clock import TimeModel

__all__ = ["PROFILE", "InSync", "lines_of", "measure"]

PROFILE = "realistic"
_OVER_PATH = 1.05
_PATH = "critical path of the time model"
_WAITERS = "plain runbook, AWS CLI waiters of 30 s"


@dataclass(frozen=True)
class InSync:
    """Both procedures, from the first command until the encrypted instance follows and has caught up; ours has also verified it."""

    ours: Procedure
    runbook: Procedure


def measure(directory: Path, engine: str, factor: float, say: Say) -> InSync:
    """Take two sources until they are in sync, one through each procedure."""
    model = Model(factor, PROFILE)
    names = ("ours", "runbook")
    # An interrupt ends the sandboxes first, and without them neither procedure gets any further.
    with ThreadPoolExecutor(len(names)) as executor, ExitStack() as stack:
        making = [
            executor.submit(stack.enter_context, place(directory / name, engine, model, _prefixed(say, name)))
            for name in names
        ]
        # Both are there before either is measured: filling a database takes processor time.
        wait(making)
        mine, theirs = (future.result() for future in making)
        ours = executor.submit(_ours, mine, directory / "stack")
        runbook = executor.submit(_runbook, theirs)
        figures = InSync(ours.result(), runbook.result())
    for name, procedure in zip(names, (figures.ours, figures.runbook), strict=True):
        say(f"{name}: {_account(procedure)}")
    return figures


def _ours(where: Place, directory: Path) -> Procedure:
    procedure = Ours(where, directory)
    procedure.configure("replicate")
    return _driven(where, lambda: procedure.up("replicate"), looks_once=False)


def _runbook(where: Place) -> Procedure:
    return _driven(where, runbook_of(where).build, looks_once=True)


def _driven(where: Place, drive: Callable[[], None], *, looks_once: bool) -> Procedure:
    before = len(where.sandbox.calls())
    began, clock = time.time(), time.monotonic()
    drive()
    seconds = time.monotonic() - clock
    model = TimeModel(where.model.profile, where.model.factor)
    calls = where.sandbox.calls()[before:]
    recorded = operations(calls, _events(where, seconds), model, began, looks_once=looks_once)
    own = sum(OURS in call["agent"] for call in calls)
    return Procedure(seconds, where.model.factor, recorded, len(calls), own)


def _events(where: Place, seconds: float) -> list[dict[str, Any]]:
    minutes = int(seconds / 60) + 2
    pages = where.rds.get_paginator("describe_events").paginate(Duration=minutes)
    return [event for page in pages for event in page["Events"]]


def _prefixed(say: Say, name: str) -> Say:
    return lambda sentence: say(f"{name}: {sentence}")


def lines_of(figures: InSync) -> Iterator[Line]:
    """Return the total, the part that nobody who declares instances can avoid, and what remains for us."""
    ours, runbook = figures.ours, figures.runbook
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


def _beyond(procedure: Procedure) -> float:
    return procedure.seconds_unscaled - procedure.path_unscaled


def _account(procedure: Procedure) -> str:
    gaps = ", ".join(f"{where} {seconds:.1f} s" for where, seconds in procedure.gaps)
    return (
        f"{procedure.seconds:.1f} s, of them path {procedure.imposed:.1f}, polling {procedure.polling:.1f}, servers {procedure.servers:.1f},"
        f" own {procedure.own:.1f} ({gaps})"
    )
