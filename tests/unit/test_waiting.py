"""Waits: they end at what they wait for, at a reason to give up, at the deadline, or when nobody waits for them."""

from __future__ import annotations

import itertools

import pytest

from foundation.errors import Cancelled, NeedsHuman, TimedOut
from foundation.waiting import Wait, until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves; the list holds the pauses."""
    pauses: list[float] = []
    monkeypatch.setattr("foundation.waiting.time.monotonic", lambda: sum(pauses))
    monkeypatch.setattr("foundation.waiting.time.sleep", pauses.append)
    monkeypatch.setattr("foundation.waiting.random.uniform", lambda low, high: (low + high) / 2)
    return pauses


def test_what_is_there_already_costs_no_pause(clock: list[float]) -> None:
    assert until(Wait("it", deadline=10), lambda: 7, done=lambda seen: seen == 7) == 7
    assert clock == []


def test_pauses_grow_up_to_the_longest(clock: list[float]) -> None:
    looks = itertools.count()
    until(
        Wait("nine", deadline=1000, first=1.0, longest=4.0), lambda: next(looks), done=lambda seen: seen == 6
    )
    assert clock == pytest.approx([1.0, 1.5, 2.25, 3.375, 4.0, 4.0])


def test_the_deadline_ends_with_the_last_thing_seen(clock: list[float]) -> None:
    with pytest.raises(
        TimedOut, match=r"waited \d+ s for orders to be available; last seen: backing-up"
    ) as error:
        until(
            Wait("orders to be available", deadline=30, advice="Look at its events"),
            lambda: "backing-up",
            done=lambda _seen: False,
            describe=str,
        )
    assert "Look at its events." in str(error.value)
    assert 30 < sum(clock) <= 41


def test_a_reason_to_give_up_ends_it_at_once(clock: list[float]) -> None:
    with pytest.raises(NeedsHuman, match="waiting for it is pointless: its status is failed"):
        until(
            Wait("it", deadline=10),
            lambda: "failed",
            done=lambda _seen: False,
            failed=lambda seen: f"its status is {seen}",
        )
    assert clock == []


def test_what_is_done_counts_before_a_reason_to_give_up(clock: list[float]) -> None:
    assert until(Wait("it", deadline=1), lambda: 1, done=lambda _seen: True, failed=lambda _seen: "no") == 1


def test_progress_hears_of_every_look_that_was_not_the_last(clock: list[float]) -> None:
    heard: list[str] = []
    looks = iter(["creating", "backing-up", "available"])
    until(
        Wait("it", deadline=100),
        lambda: next(looks),
        done=lambda seen: seen == "available",
        describe=str,
        progress=heard.append,
    )
    assert heard == ["creating", "backing-up"]


def test_a_wait_whose_run_has_ended_stops(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine was killed: the process that waits was adopted by another parent."""
    monkeypatch.setattr("foundation.waiting.os.getppid", lambda: 1)
    with pytest.raises(Cancelled, match="the run that waited for it has ended"):
        until(Wait("it", deadline=10), lambda: 0, done=lambda _seen: False)


def test_a_reason_to_give_up_may_be_an_error_of_its_own(clock: list[float]) -> None:
    full = NeedsHuman("its storage is full", where="orders", fix="Give it more")
    with pytest.raises(NeedsHuman) as error:
        until(Wait("it", deadline=10), lambda: 0, done=lambda _seen: False, failed=lambda _seen: full)
    assert error.value is full


def test_an_error_says_where_if_the_wait_does(clock: list[float]) -> None:
    with pytest.raises(TimedOut, match=r"^orders: waited"):
        until(Wait("it", deadline=1, where="orders"), lambda: 0, done=lambda _seen: False)
