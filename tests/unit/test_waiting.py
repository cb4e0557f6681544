"""Waits: they end at what they wait for, at a reason to give up, at the deadline, or when nobody waits for them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.core.errors import ActionRequired, Cancelled, TimedOut
from rds_encrypt.core.waiting import Wait, _drawn, until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves; the list holds the pauses."""
    pauses: list[float] = []
    monkeypatch.setattr("rds_encrypt.core.waiting.time.monotonic", lambda: sum(pauses))
    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", pauses.append)
    monkeypatch.setattr("rds_encrypt.core.waiting.random.uniform", lambda low, high: (low + high) / 2)
    monkeypatch.setattr("rds_encrypt.core.waiting._OFFSET", 3.0)
    return pauses


def test_what_is_there_already_costs_no_pause(clock: list[float]) -> None:
    assert until(Wait("it", deadline=10), lambda: 7, done=lambda result: result == 7) == 7
    assert clock == []


def test_pauses_grow_up_to_the_longest(clock: list[float]) -> None:
    looks = itertools.count()
    until(
        Wait("nine", deadline=1000, first=1.0, longest=4.0),
        lambda: next(looks),
        done=lambda result: result == 6,
    )
    # From the second on they end at moments of the grid: 1.5 and 2.25 at those of 1.25 s, longer ones at those of 2.5 s.
    assert clock == pytest.approx([1.0, 0.75, 1.25, 2.5, 2.5, 2.5])


@given(
    pause=st.floats(min_value=1.25, max_value=10.0),
    now=st.floats(min_value=0.0, max_value=1e7),
    offset=st.floats(min_value=0.0, max_value=10.0),
)
def test_a_long_pause_ends_at_a_moment_that_all_waits_share(pause: float, now: float, offset: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rds_encrypt.core.waiting.time.monotonic", lambda: now)
        patch.setattr("rds_encrypt.core.waiting._OFFSET", offset)
        drawn = _drawn(pause)
    assert pause / 2 - 1e-6 <= drawn <= 1.5 * pause + 1e-6
    width = max(step for step in (1.25, 2.5, 5.0, 10.0) if step <= pause)
    moments = (now + drawn - offset) / width
    assert moments == pytest.approx(round(moments), abs=1e-5)


@given(st.lists(st.floats(min_value=0.0, max_value=60.0), min_size=2, max_size=8))
def test_waits_that_began_at_any_time_come_to_look_together(begun: list[float]) -> None:
    """After a while each looks once in ten seconds, at the same moments as all others."""
    moments = set()
    for start in begun:
        pauses: list[float] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rds_encrypt.core.waiting.time.monotonic", lambda: start + sum(pauses))  # noqa: B023 - used at once
            patch.setattr("rds_encrypt.core.waiting.time.sleep", pauses.append)
            looks = itertools.count()
            until(Wait("it", deadline=1e6), lambda: next(looks), done=lambda result: result == 20)  # noqa: B023
        assert pauses[-1] == pytest.approx(10.0)
        moments.add(round((start + sum(pauses)) % 10.0, 3) % 10.0)
    assert len(moments) == 1


@given(st.floats(min_value=0.01, max_value=1.2))
def test_a_short_pause_is_its_own(pause: float) -> None:
    """Behind a fence nothing waits for a moment that others share."""
    assert 0.8 * pause <= _drawn(pause) <= 1.2 * pause


def test_the_deadline_ends_with_the_last_thing_seen(clock: list[float]) -> None:
    with pytest.raises(
        TimedOut, match=r"waited \d+ s for orders to be available; last seen: backing-up"
    ) as error:
        until(
            Wait("orders to be available", deadline=30, advice="Look at its events"),
            lambda: "backing-up",
            done=lambda _result: False,
            describe=str,
        )
    assert "Look at its events." in str(error.value)
    assert 30 < sum(clock) <= 45


def test_a_reason_to_give_up_ends_it_at_once(clock: list[float]) -> None:
    with pytest.raises(ActionRequired, match="waiting for it is pointless: its status is failed"):
        until(
            Wait("it", deadline=10),
            lambda: "failed",
            done=lambda _result: False,
            failed=lambda status: f"its status is {status}",
        )
    assert clock == []


def test_what_is_done_counts_before_a_reason_to_give_up(clock: list[float]) -> None:
    assert (
        until(Wait("it", deadline=1), lambda: 1, done=lambda _result: True, failed=lambda _result: "no") == 1
    )


def test_progress_hears_of_every_look_that_was_not_the_last(clock: list[float]) -> None:
    heard: list[str] = []
    looks = iter(["creating", "backing-up", "available"])
    until(
        Wait("it", deadline=100),
        lambda: next(looks),
        done=lambda status: status == "available",
        describe=str,
        progress=heard.append,
    )
    assert heard == ["creating", "backing-up"]


def test_a_wait_whose_run_has_ended_stops(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine was killed: the process that waits was adopted by another parent."""
    monkeypatch.setattr("rds_encrypt.core.waiting.os.getppid", lambda: 1)
    with pytest.raises(Cancelled, match="the run that waited for it has ended"):
        until(Wait("it", deadline=10), lambda: 0, done=lambda _result: False)


def test_a_reason_to_give_up_may_be_an_error_of_its_own(clock: list[float]) -> None:
    full = ActionRequired("its storage is full", where="orders", fix="Give it more")
    with pytest.raises(ActionRequired) as error:
        until(Wait("it", deadline=10), lambda: 0, done=lambda _result: False, failed=lambda _result: full)
    assert error.value is full


def test_an_error_says_where_if_the_wait_does(clock: list[float]) -> None:
    with pytest.raises(TimedOut, match=r"^orders: waited"):
        until(Wait("it", deadline=1, where="orders"), lambda: 0, done=lambda _result: False)
