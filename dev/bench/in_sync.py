"""How long `pulumi up` in phase `replicate` takes, beside what AWS imposes, and beside the plain runbook.

Both roads run at the same time, each in a sandbox of its own, in the profile `realistic` times a factor. They wait nearly all of
the time, so neither disturbs the other. With a factor below 1, what depends on the time model is stretched to the profile's pace
afterwards (`dev.bench.critical_path`); what does not, such as our own seconds, is taken as it was measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.bench.critical_path import OURS, Road, operations
from dev.bench.model import Model
from dev.bench.run import Ours, Place, Say, place, runbook_of
from dev.sandbox.rds.clock import TimeModel

__all__ = ["PROFILE", "InSync", "measure"]

PROFILE = "realistic"


@dataclass(frozen=True)
class InSync:
    """Both roads, from the first command until the encrypted instance follows and has caught up; ours has also verified it."""

    ours: Road
    runbook: Road


def measure(directory: Path, engine: str, factor: float, say: Say) -> InSync:
    """Take two sources as far as in sync, one over each road."""
    model = Model(factor, PROFILE)
    names = ("ours", "runbook")
    # Whoever interrupts this ends the sandboxes first, without which neither road gets any further.
    with ThreadPoolExecutor(len(names)) as executor, ExitStack() as stack:
        making = [
            executor.submit(stack.enter_context, place(directory / name, engine, model, _prefixed(say, name)))
            for name in names
        ]
        # Both are there before either is measured: to fill a database takes the processor.
        wait(making)
        mine, theirs = (each.result() for each in making)
        ours = executor.submit(_ours, mine, directory / "stack")
        runbook = executor.submit(_runbook, theirs)
        return InSync(ours.result(), runbook.result())


def _ours(where: Place, directory: Path) -> Road:
    road = Ours(where, directory)
    road.configure("replicate")
    return _driven(where, lambda: road.up("replicate"), looks_once=False)


def _runbook(where: Place) -> Road:
    return _driven(where, runbook_of(where).build, looks_once=True)


def _driven(where: Place, drive: Callable[[], None], *, looks_once: bool) -> Road:
    before = len(where.sandbox.calls())
    began, clock = time.time(), time.monotonic()
    drive()
    seconds = time.monotonic() - clock
    model = TimeModel(where.model.profile, where.model.factor)
    calls = where.sandbox.calls()[before:]
    found = operations(calls, _events(where, seconds), model, began, looks_once=looks_once)
    own = sum(OURS in call["agent"] for call in calls)
    return Road(seconds, where.model.factor, found, len(calls), own)


def _events(where: Place, seconds: float) -> list[dict[str, Any]]:
    minutes = int(seconds / 60) + 2
    pages = where.rds.get_paginator("describe_events").paginate(Duration=minutes)
    return [event for page in pages for event in page["Events"]]


def _prefixed(say: Say, name: str) -> Say:
    return lambda sentence: say(f"{name}: {sentence}")
