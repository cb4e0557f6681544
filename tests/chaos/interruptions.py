"""What can go wrong in the middle of a cutover, and how it ends again.

There is no wire between the instances of a sandbox that could be cut without cutting everybody's, so `cut` does what a cut
does to replication: both replication accounts are locked (behind the binary log, as RDS's own account) and their
connections ended, over and over, so that no channel stands and none comes up until the cut ends.
"""

from __future__ import annotations

import random
import threading
import time
import urllib.error
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pymysql

from dev.sandbox.mysql.sessions import end_those_of, execute
from rds_encrypt.mysql.accounts import REPLICATION_USER, REVERSE_USER
from tests.chaos.child import Child
from tests.chaos.stage import Direction, Stage
from tests.waiting import until

__all__ = ["COORDINATOR_LIVES", "WEIGHTS", "Kind", "Strike", "drawn"]

Kind = Literal[
    "kill runner",
    "interrupt runner",
    "kill primary",
    "kill candidate",
    "kill runner and primary",
    "kill runner and candidate",
    "freeze primary",
    "freeze candidate",
    "throttle",
    "5xx",
    "slow API",
    "cut",
]

WEIGHTS: dict[Kind, int] = {
    "kill runner": 4,
    "interrupt runner": 3,
    "kill primary": 3,
    "kill candidate": 3,
    "kill runner and primary": 2,
    "kill runner and candidate": 2,
    "freeze primary": 2,
    "freeze candidate": 2,
    "throttle": 2,
    "5xx": 2,
    "slow API": 1,
    "cut": 3,
}
"""How often each is drawn."""

COORDINATOR_LIVES = {kind for kind in WEIGHTS if not kind.startswith("kill runner")}
"""After these the program can still undo what it did, and must."""


@dataclass(frozen=True)
class Strike:
    """One interruption: what, for how long, how often."""

    kind: Kind
    seconds: float = 0.0
    count: int = 0

    def __str__(self) -> str:
        if self.seconds:
            return f"{self.kind} for {self.seconds:.1f} s"
        return f"{self.kind} ×{self.count}" if self.count else self.kind

    def begin(self, stage: Stage, direction: Direction, child: Child) -> Callable[[], None]:
        """Do it, and return what ends it: to be called once, when its time is over."""
        faults = stage.deployment.sandbox.faults
        ids = {"primary": direction.primary, "candidate": direction.candidate}
        match self.kind.split():
            case ["kill", "runner", *rest]:
                child.kill()
                for who in rest[1:]:
                    faults.kill(_name(stage, ids[who]))
            case ["interrupt", "runner"]:
                child.interrupt()
            case ["kill", who]:
                faults.kill(_name(stage, ids[who]))
            case ["freeze", who]:
                _once_it_runs(lambda: faults.freeze(_name(stage, ids[who])))
                return lambda: faults.thaw(_name(stage, ids[who]))
            case ["throttle"]:
                faults.throttle(count=self.count)
                return faults.clear
            case ["5xx"]:
                faults.error(count=self.count, status=503)
                return faults.clear
            case ["slow", "API"]:
                faults.slow(ms=1500, count=self.count)
                return faults.clear
            case ["cut"]:
                return _Cut(stage, (direction.primary, direction.candidate)).begin()
        return _nothing


def drawn(dice: random.Random, kind: Kind | None = None) -> Strike:
    """Draw an interruption; the seed decides everything about it."""
    chosen = kind or dice.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
    if chosen.startswith("freeze"):
        return Strike(chosen, seconds=dice.uniform(0.5, 6.0))
    if chosen == "cut":
        return Strike(chosen, seconds=dice.uniform(0.5, 12.0))
    if chosen in {"throttle", "5xx"}:
        # Up to what boto3's retries can hide, and beyond it.
        return Strike(chosen, count=dice.choice((1, 3, 6, 12, 25)))
    if chosen == "slow API":
        return Strike(chosen, count=dice.randint(1, 6))
    return Strike(chosen)


class _Cut:
    """Keeps replication between two instances down until it is told to end."""

    def __init__(self, stage: Stage, ids: tuple[str, str]) -> None:
        self._stage = stage
        self._ids = ids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_down, daemon=True)

    def begin(self) -> Callable[[], None]:
        self._thread.start()
        return self._end

    def _keep_down(self) -> None:
        while not self._over.wait(0.1):
            for resource_id in self._ids:
                self._quietly(resource_id, lock=True)

    def _end(self) -> None:
        self._over.set()
        self._thread.join(30)
        for resource_id in self._ids:
            until(
                partial(self._quietly, resource_id, lock=False),
                what=f"{resource_id}'s accounts to be unlocked",
            )

    def _quietly(self, resource_id: str, *, lock: bool) -> bool:
        """Lock or unlock; false while the server is away, which is as good as cut."""
        try:
            with ExitStack() as stack:
                session = stack.enter_context(self._stage.host(resource_id))
                for user in (REPLICATION_USER, REVERSE_USER):
                    how = "LOCK" if lock else "UNLOCK"
                    execute(session, f"ALTER USER IF EXISTS '{user}'@'%' ACCOUNT {how}")
                    if lock:
                        end_those_of(session, user)
        except (pymysql.err.MySQLError, OSError):
            return False
        return True


def _once_it_runs(strike: Callable[[], None]) -> None:
    """Nothing can be frozen in the middle of a restart; it is, as soon as it is back."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return strike()
        except urllib.error.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _name(stage: Stage, resource_id: str) -> str:
    """The fault API goes by name, which may be about to change."""
    names = {
        instance["resource_id"]: instance["identifier"]
        for instance in stage.deployment.sandbox.status()["instances"]
    }
    name: str = names[resource_id]
    return name


def _nothing() -> None:
    """An interruption that is over as soon as it has happened."""
