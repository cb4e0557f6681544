"""Batched questions: nobody gets an older answer than to a question of its own, and nobody gets another's error."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from rds_encrypt.aws import batching
from rds_encrypt.aws.batching import RequestBatcher
from tests.waiting import until

WAIT = 10.0


class Throttled(Exception):
    """An error that any caller would get."""


class World:
    """Something that changes, and a request about it whose answer can be held back."""

    def __init__(self) -> None:
        self.now = itertools.count()
        self.asked: list[tuple[str, ...]] = []
        self.began = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        self.error: Exception | None = None

    def request(self, keys: Sequence[str]) -> Mapping[str, int]:
        """Look when the request begins, as a server that answers slowly may have done."""
        tick, error = next(self.now), self.error
        self.asked.append(tuple(keys))
        self.began.release()
        assert self.open.wait(WAIT)
        if error is not None:
            raise error
        return dict.fromkeys((key for key in keys if key != "gone"), tick)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let requests begin and not end."""
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    def await_request(self) -> None:
        assert self.began.acquire(timeout=WAIT)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def batcher(monkeypatch: pytest.MonkeyPatch) -> RequestBatcher[int]:
    monkeypatch.setattr(batching, "_HOLD", WAIT)
    return RequestBatcher(shared=lambda error: isinstance(error, Throttled))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def waiting(batcher: RequestBatcher[int], count: int) -> None:
    until(lambda: len(batcher._waiting) == count, pause=0.001)


def test_whoever_is_alone_asks_at_once(world: World, batcher: RequestBatcher[int]) -> None:
    began = time.monotonic()
    assert batcher.ask(["a"], world.request) == {"a": 0}
    assert batcher.ask(["a"], world.request) == {"a": 1}
    assert time.monotonic() - began < 1.0
    assert world.asked == [("a",), ("a",)]


def test_what_is_not_there_is_not_in_the_answer(world: World, batcher: RequestBatcher[int]) -> None:
    assert batcher.ask(["gone", "a"], world.request) == {"a": 0}
    assert batcher.ask([], world.request) == {}
    assert len(world.asked) == 1


def test_those_who_ask_meanwhile_go_along_with_the_next_request(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    with world.held():
        first = pool.submit(batcher.ask, ["a"], world.request)
        world.await_request()
        later = [pool.submit(batcher.ask, [key], world.request) for key in "abcde"]
        waiting(batcher, 5)
    assert first.result(WAIT) == {"a": 0}
    assert [future.result(WAIT) for future in later] == [{key: 1} for key in "abcde"]
    assert world.asked == [("a",), ("a", "b", "c", "d", "e")]


def test_no_answer_is_older_than_the_question(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    """The same key is under way already: that request may have looked before the waiter made the change that it wants to see."""
    with world.held():
        first = pool.submit(batcher.ask, ["a"], world.request)
        world.await_request()
        asked_at = next(world.now)  # the waiter changes the world, then looks
        second = pool.submit(batcher.ask, ["a"], world.request)
        waiting(batcher, 1)
    assert first.result(WAIT)["a"] < asked_at < second.result(WAIT)["a"]


def test_no_answer_is_older_than_the_question_among_many_threads(pool: ThreadPoolExecutor) -> None:
    """Each request looks when it begins and answers later; each waiter knows what the world was when it asked."""
    batcher: RequestBatcher[int] = RequestBatcher(shared=lambda _error: False)
    clock, requests = itertools.count(), itertools.count()

    def request(keys: Sequence[str]) -> Mapping[str, int]:
        next(requests)
        tick = next(clock)
        time.sleep(0.002)
        return dict.fromkeys(keys, tick)

    def many(key: str) -> None:
        for _ in range(50):
            before = next(clock)
            assert batcher.ask([key], request)[key] > before

    for done in [pool.submit(many, key) for key in "abcdefgh"]:
        done.result(60)
    assert next(requests) < 8 * 50 / 2, "looks that coincide are put together"


def test_an_error_that_would_meet_anybody_reaches_everybody(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    with world.held():
        first = pool.submit(batcher.ask, ["a"], world.request)
        world.await_request()
        world.error = Throttled("too many calls")
        later = [pool.submit(batcher.ask, [key], world.request) for key in "bc"]
        waiting(batcher, 2)
    assert first.result(WAIT) == {"a": 0}
    assert all(isinstance(future.exception(WAIT), Throttled) for future in later)
    assert len(world.asked) == 2
    world.error = None
    assert batcher.ask(["b"], world.request) == {"b": 2}


def test_anybody_elses_error_is_not_ours(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    """A caller whose credentials have expired, or who asks about nonsense, spoils nobody else's answer, whoever leads."""

    def picky(keys: Sequence[str]) -> Mapping[str, int]:
        answers = world.request(keys)
        if "nonsense" in keys:
            raise ValueError("nonsense")
        return answers

    with world.held():
        first = pool.submit(batcher.ask, ["a"], picky)
        world.await_request()
        later: dict[str, Future[dict[str, int]]] = {}
        for key in ("nonsense", "b", "c"):
            later[key] = pool.submit(batcher.ask, [key], picky)
        waiting(batcher, 3)
    assert first.result(WAIT) == {"a": 0}
    assert isinstance(later["nonsense"].exception(WAIT), ValueError)
    assert set(later["b"].result(WAIT)) | set(later["c"].result(WAIT)) == {"b", "c"}
    assert sorted(world.asked[2:]) == [("b",), ("c",), ("nonsense",)]


def test_an_expired_leader_is_alone_with_that(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    def expired(keys: Sequence[str]) -> Mapping[str, int]:
        world.request(keys)
        raise PermissionError("expired")

    with world.held():
        first = pool.submit(batcher.ask, ["a"], world.request)
        world.await_request()
        old = pool.submit(batcher.ask, ["a"], expired)
        waiting(batcher, 1)
        young = pool.submit(batcher.ask, ["b"], world.request, window=WAIT)  # so the other leads
        waiting(batcher, 2)
    assert first.result(WAIT)
    assert isinstance(old.exception(WAIT), PermissionError)
    assert set(young.result(WAIT)) == {"b"}


def test_an_interrupt_strikes_one_and_frees_the_others(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    def interrupted(keys: Sequence[str]) -> Mapping[str, int]:
        world.request(keys)
        raise KeyboardInterrupt

    with world.held():
        first = pool.submit(batcher.ask, ["a"], interrupted)
        world.await_request()
        other = pool.submit(batcher.ask, ["b"], world.request)
        waiting(batcher, 1)
    assert isinstance(first.exception(WAIT), KeyboardInterrupt)
    assert set(other.result(WAIT)) == {"b"}


def test_a_slow_request_does_not_hold_the_next_one_up_for_long(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "_HOLD", 0.1)
    with world.held():
        slow = pool.submit(batcher.ask, ["a"], world.request)
        world.await_request()
        pool.submit(batcher.ask, ["b"], world.request)
        world.await_request()  # though the first has not ended
        assert not slow.done()
    assert slow.result(WAIT) == {"a": 0}


def test_those_who_have_time_wait_for_each_other(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    patient = [pool.submit(batcher.ask, [key], world.request, window=1.0) for key in "abc"]
    assert [future.result(WAIT) for future in patient] == [{key: 0} for key in "abc"]
    assert world.asked == [("a", "b", "c")]


def test_whoever_has_no_time_takes_along_those_who_have(
    world: World, batcher: RequestBatcher[int], pool: ThreadPoolExecutor
) -> None:
    patient = pool.submit(batcher.ask, ["a"], world.request, window=WAIT)
    waiting(batcher, 1)
    assert batcher.ask(["b"], world.request) == {"b": 0}
    assert patient.result(1.0) == {"a": 0}
    assert world.asked == [("a", "b")]
