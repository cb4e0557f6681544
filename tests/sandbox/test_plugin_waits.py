"""The stand-in provider waits as the real one does: its first look, its progress, three in a row, and what ends it early."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from dev.sandbox.plugin.errors import ProviderError
from dev.sandbox.plugin.waits import (
    INSTANCE_AVAILABLE,
    INSTANCE_DELETED,
    SNAPSHOT_AVAILABLE,
    Wait,
    Waiter,
    scale,
)


class Unhurried(Waiter):
    """A waiter that notes how long it would have slept."""

    def sleep(self, seconds: float) -> None:
        slept.append(seconds)


slept: list[float] = []


def run(wait: Wait, statuses: Iterable[str | None], timeout: float = 60.0) -> list[float]:
    slept.clear()
    following = iter(statuses)
    Unhurried(threading.Event(), 1.0).until(wait, lambda: next(following), timeout)
    assert next(following, "none") == "none", "it stopped looking too early"
    return list(slept)


def test_an_instance_must_be_available_three_times_in_a_row() -> None:
    statuses = [
        "creating",
        "available",
        "backing-up",
        "available",
        "storage-initialization",
        "storage-optimization",
    ]
    assert run(INSTANCE_AVAILABLE, statuses) == [60, 10, 10, 10, 10, 10]


def test_at_least_eighty_seconds_even_if_it_is_there_at_once() -> None:
    assert sum(run(INSTANCE_AVAILABLE, ["available"] * 3)) == 80


def test_a_snapshot_once() -> None:
    assert run(SNAPSHOT_AVAILABLE, ["creating", "available"]) == [30, 10]


@pytest.mark.parametrize("wait", [INSTANCE_AVAILABLE, SNAPSHOT_AVAILABLE])
def test_any_other_status_fails(wait: Wait) -> None:
    with pytest.raises(ProviderError, match="unexpected state 'failed', wanted target 'available"):
        run(wait, ["creating", "failed"])


def test_a_delete_waits_until_it_is_gone() -> None:
    assert len(run(INSTANCE_DELETED, ["available", "deleting", None, None, None])) == 5


def test_a_thing_that_is_missing_for_long_is_given_up() -> None:
    with pytest.raises(ProviderError, match="couldn't find resource"):
        run(INSTANCE_AVAILABLE, [None] * 21)
    assert run(INSTANCE_AVAILABLE, [*[None] * 20, *["available"] * 3])


def test_the_deadline_says_what_was_seen_last() -> None:
    with pytest.raises(ProviderError, match=r"last state: 'creating', timeout: 0s"):
        run(INSTANCE_AVAILABLE, ["creating"], timeout=0)


def test_a_cancel_ends_a_wait_at_once() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(ProviderError, match="context canceled"):
        Waiter(cancelled, 1.0).until(INSTANCE_AVAILABLE, lambda: "creating", 60)


def test_the_pace_comes_from_the_environment() -> None:
    assert scale({}) == 1.0
    assert scale({"RDS_SANDBOX_WAIT_SCALE": "0.005"}) == 0.005
