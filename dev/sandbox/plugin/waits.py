"""The real provider's waits, as data, and the one loop that runs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dev.sandbox.plugin.errors import ProviderError

__all__ = ["INSTANCE_AVAILABLE", "INSTANCE_DELETED", "SNAPSHOT_AVAILABLE", "Wait", "Waiter", "scale"]

#: How often a thing may be missing in a row before the wait gives up on it.
_NOT_FOUND_CHECKS = 20


@dataclass(frozen=True)
class Wait:
    """One kind of wait: when it first looks, how often, and what it makes of what it sees (an empty target: gone)."""

    delay: float
    interval: float
    pending: frozenset[str]
    target: frozenset[str]
    in_a_row: int = 1


INSTANCE_AVAILABLE = Wait(
    delay=60,
    interval=10,
    pending=frozenset(
        {
            "backing-up",
            "configuring-enhanced-monitoring",
            "configuring-iam-database-auth",
            "configuring-log-exports",
            "creating",
            "maintenance",
            "modifying",
            "moving-to-vpc",
            "rebooting",
            "renaming",
            "resetting-master-credentials",
            "starting",
            "stopping",
            "storage-full",
            "upgrading",
        }
    ),
    # hashicorp/terraform #36650: a provider of 2024 refused `storage-initialization` as unexpected; later ones know the status.
    target=frozenset({"available", "storage-initialization", "storage-optimization"}),
    in_a_row=3,
)

INSTANCE_DELETED = Wait(
    delay=60,
    interval=10,
    pending=frozenset(
        {
            "available",
            "backing-up",
            "configuring-enhanced-monitoring",
            "configuring-log-exports",
            "creating",
            "delete-precheck",
            "deleting",
            "incompatible-parameters",
            "incompatible-restore",
            "modifying",
            "starting",
            "stopping",
            "storage-full",
            "storage-initialization",
            "storage-optimization",
        }
    ),
    target=frozenset(),
    in_a_row=3,
)

SNAPSHOT_AVAILABLE = Wait(
    delay=30,
    interval=10,
    pending=frozenset({"creating", "copying"}),
    target=frozenset({"available"}),
)


def scale(environment: Mapping[str, str]) -> float:
    """Give the factor on all waits: 1 is the real provider's pace, the sandbox's fast profile sets less."""
    return float(environment.get("RDS_SANDBOX_WAIT_SCALE", "1.0"))


@dataclass(frozen=True)
class Waiter:
    """Runs waits until they end, run out of time, or the engine cancels."""

    cancelled: threading.Event
    factor: float

    def sleep(self, seconds: float) -> None:
        """Sleep (scaled), or raise at once when the engine cancels."""
        if self.cancelled.wait(seconds * self.factor):
            raise ProviderError("context canceled")

    def until(self, wait: Wait, look: Callable[[], str | None], timeout: float) -> None:
        """Look for a status (None: there is no such thing) until the wait's target was seen often enough in a row."""
        deadline = time.monotonic() + timeout
        targets = ", ".join(sorted(wait.target))
        matches = missing = 0
        self.sleep(wait.delay)
        while True:
            status = look()
            if status is None and wait.target:
                matches, missing = 0, missing + 1
                if missing > _NOT_FOUND_CHECKS:
                    raise ProviderError(f"couldn't find resource ({missing} retries)")
            elif status is None or status in wait.target:
                matches, missing = matches + 1, 0
                if matches >= wait.in_a_row:
                    return
            elif status in wait.pending:
                matches = missing = 0
            else:
                raise ProviderError(f"unexpected state '{status}', wanted target '{targets}'")
            if time.monotonic() >= deadline:
                raise ProviderError(
                    f"timeout while waiting for state to become '{targets}' "
                    f"(last state: '{status or ''}', timeout: {timeout:.0f}s)"
                )
            self.sleep(wait.interval)
