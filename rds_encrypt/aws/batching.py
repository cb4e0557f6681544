"""Batches requests: callers that ask while a request is under way share the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

__all__ = ["Request", "RequestBatcher"]

V = TypeVar("V")

Request = Callable[[Sequence[str]], Mapping[str, V]]
"""Asks about some keys at once; a key without an answer is missing from the result."""

_HOLD = 1.0
"""Seconds for which a request delays the next one: one that is slow, or retried, must not block all callers."""


@dataclass(eq=False)
class _Batch(Generic[V]):
    """One request, for all callers that had asked when it began."""

    keys: frozenset[str]
    began: float
    over: bool = False
    answers: Mapping[str, V] | None = None
    error: Exception | None = None


@dataclass(eq=False)
class _Waiter(Generic[V]):
    """A caller that waits for a request to share."""

    keys: frozenset[str]
    batch: _Batch[V] | None = None


class RequestBatcher(Generic[V]):
    """Batches one kind of request over all threads of a process.

    Every answer comes from a request that began after its caller asked: it is as fresh as one from the caller's own request.
    A single caller asks at once. The first of several asks for all, with its own ``request``, so nothing is kept between two
    requests: no connection, no credentials and no answer.

    Args:
        shared: whether an error would meet all callers at that moment. Any other error belongs to one caller, or to its keys,
            and each caller asks again on its own.
    """

    def __init__(self, *, shared: Callable[[Exception], bool]) -> None:
        self._shared = shared
        self._changed = Condition()
        self._waiting: list[_Waiter[V]] = []
        self._under_way: _Batch[V] | None = None

    def ask(self, keys: Iterable[str], request: Request[V], *, window: float = 0.0) -> dict[str, V]:
        """Return the answers about the keys.

        Args:
            keys: what to ask about.
            request: makes this caller's request; used for others, too, if it is the first.
            window: seconds to wait for other callers, for a caller that has time.

        Raises:
            Exception: what ``request`` raised.
        """
        requested = frozenset(keys)
        if not requested:
            return {}
        batch, ours = self._join(requested, window)
        if ours:
            self._make(batch, request)
        else:
            self._await(batch)
        if batch.error is not None and (self._shared(batch.error) or (ours and batch.keys == requested)):
            raise batch.error
        answers = batch.answers if batch.answers is not None else request(sorted(requested))
        return {key: answers[key] for key in requested if key in answers}

    def _join(self, keys: frozenset[str], window: float) -> tuple[_Batch[V], bool]:
        """Return a request that has not begun before now, and whether this caller makes it."""
        mine: _Waiter[V] = _Waiter(keys)
        patient_until = time.monotonic() + window
        with self._changed:
            self._waiting.append(mine)
            while mine.batch is None:
                pause = self._held_until(patient_until) - time.monotonic()
                if pause <= 0:
                    return self._begin(), True
                self._changed.wait(pause)
            return mine.batch, False

    def _held_until(self, patient_until: float) -> float:
        if self._under_way is None:
            return patient_until
        return max(patient_until, self._under_way.began + _HOLD)

    def _begin(self) -> _Batch[V]:
        """Begin a request for all waiting callers."""
        waiters, self._waiting = self._waiting, []
        batch: _Batch[V] = _Batch(frozenset().union(*(waiter.keys for waiter in waiters)), time.monotonic())
        for waiter in waiters:
            waiter.batch = batch
        self._under_way = batch
        return batch

    def _make(self, batch: _Batch[V], request: Request[V]) -> None:
        try:
            batch.answers = request(sorted(batch.keys))
        except Exception as error:  # noqa: BLE001 - every waiting caller must get any error; an interrupt is this caller's alone
            batch.error = error
        finally:
            with self._changed:
                batch.over = True
                if self._under_way is batch:
                    self._under_way = None
                self._changed.notify_all()

    def _await(self, batch: _Batch[V]) -> None:
        with self._changed:
            while not batch.over:
                self._changed.wait()
