"""Questions put together: who asks while an answer is on its way waits for the next question, and goes along with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

__all__ = ["Request", "Together"]

V = TypeVar("V")

Request = Callable[[Sequence[str]], Mapping[str, V]]
"""Asks about some keys at once; a key that there is nothing to say about is missing from the answer."""

_HOLD = 1.0
"""Seconds for which a request holds the next one up: one that is slow, or tried again and again, must not stop everybody."""


@dataclass(eq=False)
class _Trip(Generic[V]):
    """One request, for everybody who had asked when it began."""

    keys: frozenset[str]
    began: float
    over: bool = False
    found: Mapping[str, V] | None = None
    error: Exception | None = None


@dataclass(eq=False)
class _Asker(Generic[V]):
    """Somebody who waits for a request to go along with."""

    keys: frozenset[str]
    trip: _Trip[V] | None = None


class Together(Generic[V]):
    """One kind of question, put for all threads of a process that have one at the moment.

    Every answer comes from a request that began after its asker had asked: it is as fresh as one from a request of its own.
    Whoever is alone asks at once. The first of several asks for all, in its own way; so nothing is kept between two requests,
    no connection, no credentials and no answer.

    Args:
        shared: whether an error would meet everybody who asked at that moment. Any other is of one asker, or of what one asker
            wanted to know, and everybody asks again for itself.
    """

    def __init__(self, *, shared: Callable[[Exception], bool]) -> None:
        self._shared = shared
        self._changed = Condition()
        self._waiting: list[_Asker[V]] = []
        self._under_way: _Trip[V] | None = None

    def ask(self, keys: Iterable[str], request: Request[V], *, linger: float = 0.0) -> dict[str, V]:
        """Return what there is to say about the keys.

        Args:
            keys: what to ask about.
            request: how this caller would ask; used for others, too, if it goes first.
            linger: seconds to wait for company, for a caller that has time.

        Raises:
            Exception: what ``request`` raised.
        """
        wanted = frozenset(keys)
        if not wanted:
            return {}
        trip, ours = self._board(wanted, linger)
        if ours:
            self._make(trip, request)
        else:
            self._await(trip)
        if trip.error is not None and (self._shared(trip.error) or (ours and trip.keys == wanted)):
            raise trip.error
        found = trip.found if trip.found is not None else request(sorted(wanted))
        return {key: found[key] for key in wanted if key in found}

    def _board(self, wanted: frozenset[str], linger: float) -> tuple[_Trip[V], bool]:
        """Return a request that has not begun before now, and whether it is for us to make."""
        mine: _Asker[V] = _Asker(wanted)
        patient_until = time.monotonic() + linger
        with self._changed:
            self._waiting.append(mine)
            while mine.trip is None:
                pause = self._held_until(patient_until) - time.monotonic()
                if pause <= 0:
                    return self._begin(), True
                self._changed.wait(pause)
            return mine.trip, False

    def _held_until(self, patient_until: float) -> float:
        if self._under_way is None:
            return patient_until
        return max(patient_until, self._under_way.began + _HOLD)

    def _begin(self) -> _Trip[V]:
        """Take along everybody who waits."""
        askers, self._waiting = self._waiting, []
        trip: _Trip[V] = _Trip(frozenset().union(*(asker.keys for asker in askers)), time.monotonic())
        for asker in askers:
            asker.trip = trip
        self._under_way = trip
        return trip

    def _make(self, trip: _Trip[V], request: Request[V]) -> None:
        try:
            trip.found = request(sorted(trip.keys))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it; an interrupt is ours alone
            trip.error = error
        finally:
            with self._changed:
                trip.over = True
                if self._under_way is trip:
                    self._under_way = None
                self._changed.notify_all()

    def _await(self, trip: _Trip[V]) -> None:
        with self._changed:
            while not trip.over:
                self._changed.wait()
