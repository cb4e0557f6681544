"""The points at which a run is struck: at which row of the CLI's output, at which moment of it, with what."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ARMED",
    "CLEANUP",
    "DESTROY",
    "FAULTS",
    "HIDDEN",
    "REPLICATE",
    "RETIRE",
    "Fault",
    "Moment",
    "Point",
    "drawn",
    "drawn_inside",
]

Moment = Literal["before", "inside", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "inside", "after")
"""Its row appears; so many calls to AWS later; its row says that it is done."""

Fault = Literal[
    "kill everything",
    "kill the CLI",
    "kill the providers",
    "Ctrl-C",
    "asleep",
    "asleep for long",
    "credentials expire",
    "throttled",
    "5xx",
    "no capacity",
    "quota used up",
    "the copy fails",
    "the restore fails",
]
FAULTS: tuple[Fault, ...] = (
    "kill everything",
    "Ctrl-C",
    "kill the CLI",
    "kill everything",
    "kill the providers",
    "credentials expire",
    "kill everything",
    "throttled",
    "asleep for long",
    "Ctrl-C",
    "asleep",
    "5xx",
)
"""Dealt out in turn, so that each meets many steps."""
HIDDEN: tuple[Fault, ...] = ("throttled", "5xx", "asleep", "asleep for long")
"""What a run gets over by itself, or says that it does not: it goes on, and may be struck again."""
ARMED: tuple[Fault, ...] = ("no capacity", "quota used up", "the copy fails", "the restore fails")
"""What a certain call will meet, whenever it comes: laid out before the run begins."""
_OTHER_FAULTS = 5
"""How far the next turn moves on in the row of faults: it comes to each of them before it repeats one."""

REPLICATE = (
    "Preflight orders",
    "Claim orders",
    "GroupAccess orders",
    "BinlogRetention orders",
    "ReplicationUser orders",
    "ParameterGroup orders-encrypted",
    "ParameterGroup orders-fence",
    "Instance orders-not-encrypted",
    "StoppedReplication orders",
    "Snapshot orders-not-encrypted",
    "CopySlot orders",
    "SnapshotCopy orders-encrypted",
    "Instance orders-encrypted",
    "DeletionGuard orders",
    "CandidateRetention orders",
    "ExternalReplication orders",
    "CatchUp orders",
    "Verification orders",
    "ResumedReplication orders",
)
DESTROY = tuple(reversed(REPLICATE))
CLEANUP = (
    "Retirement orders",
    "ResumedReplication orders",
    "Verification orders",
    "CatchUp orders",
    "ExternalReplication orders",
    "CandidateRetention orders",
    "SnapshotCopy orders-encrypted",
    "CopySlot orders",
    "Snapshot orders-not-encrypted",
    "StoppedReplication orders",
    "Instance orders-not-encrypted",
    "ParameterGroup orders-fence",
    "ReplicationUser orders",
    "BinlogRetention orders",
    "GroupAccess orders",
)
RETIRE = (
    "Retirement orders",
    "Cutover orders",
    "DeletionGuard orders",
    "Instance orders-encrypted",
    "Claim orders",
)
"""What `pulumi destroy` deletes after cleanup."""


@dataclass(frozen=True)
class Point:
    """One interruption: ``calls`` and ``pause`` (seconds) say how far inside."""

    step: str
    moment: Moment
    fault: Fault
    calls: int = 1
    pause: float = 0.0

    def __str__(self) -> str:
        return f"{self.fault} {self.moment} {self.step}"


def drawn_inside(dice: random.Random, step: str, times: int, calls: int, *, turn: int = 0) -> list[Point]:
    """Strike one long step before it begins, at so many places inside, up to so many ``calls`` from its beginning, and after it."""
    first = dice.randrange(len(FAULTS)) + turn * _OTHER_FAULTS
    places = sorted(dice.randint(1, calls) for _ in range(times))
    inside = [
        Point(step, "inside", FAULTS[(first + number) % len(FAULTS)], place, dice.uniform(0.0, 0.3))
        for number, place in enumerate(places)
    ]
    return [Point(step, "before", "kill everything"), *inside, Point(step, "after", "kill everything")]


def drawn(dice: random.Random, steps: Sequence[str], moments: int, *, turn: int = 0) -> list[Point]:
    """Give each step so many of its three moments, with a fault each; the seed decides everything.

    The next ``turn`` of the same dice gives the step its next moments, so that two engines share the three.
    """
    first = dice.randrange(len(FAULTS)) + turn * _OTHER_FAULTS
    points: list[Point] = []
    for step in steps:
        order = dice.sample(MOMENTS, len(MOMENTS))
        chosen = {order[(turn * moments + number) % len(MOMENTS)] for number in range(moments)}
        for moment in MOMENTS:
            if moment in chosen:
                fault = FAULTS[(first + len(points)) % len(FAULTS)]
                points.append(Point(step, moment, fault, dice.randint(1, 3), dice.uniform(0.0, 0.3)))
    return points
