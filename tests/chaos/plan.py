"""The plan of a run: which interruption strikes at which moment, all drawn from one seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.interruptions import Strike, drawn

__all__ = ["Blow", "Plan", "Planner"]

_AGAIN = 0.7
"""How often the run after the interrupted one is interrupted as well."""
_AT_BOUNDARY = 0.6
_EARLY = 0.5
"""How often an instant falls into the short time before the names move, where most moves are."""
_BEFORE_THE_NAMES_MOVE = 0.15


@dataclass(frozen=True)
class Blow:
    """One interruption and its moment: a boundary by name, or an instant as a share of an undisturbed run."""

    strike: Strike
    boundary: str | None = None
    share: float = 0.0

    @property
    def moment(self) -> str:
        return self.boundary or f"instant {self.share:.2f}"


@dataclass(frozen=True)
class Plan:
    """The blows of one trial: one for the first run, perhaps one for each that follows."""

    number: int
    blows: tuple[Blow, ...]


_FIRST = (
    Blow(Strike("kill candidate"), boundary="fenced"),
    Blow(Strike("kill runner"), boundary="promoted"),
    Blow(Strike("kill primary"), boundary="drained"),
    Blow(Strike("interrupt runner"), boundary="swap_began"),
    Blow(Strike("cut", seconds=4.0), boundary="fenced"),
    Blow(Strike("kill runner and primary"), boundary="first_renamed"),
)
"""Where most is at stake, so every run begins with these, whatever its seed."""


class Planner:
    """Draws the plans one after another, after a few that are always the same.

    Killing the runner is dealt from a shuffled deck of all boundaries, so that each is met before any is met again.

    Args:
        seed: decides everything.
        boundaries: those of an undisturbed run, by verb.
        first: the number of the first trial, to repeat one.
    """

    def __init__(self, seed: int, boundaries: dict[str, list[str]], first: int = 1) -> None:
        self._seed = seed
        self._boundaries = boundaries
        self._decks: dict[str, list[str]] = {verb: [] for verb in boundaries}
        self._numbers = itertools.count(first)

    def next(self, verb: str) -> Plan:
        """Return the plan of the next trial, which goes in this direction."""
        number, dice = self.dice()
        if number <= len(_FIRST):
            return Plan(number, (_FIRST[number - 1],))
        return Plan(number, tuple(self._blows(dice, verb)))

    def dice(self) -> tuple[int, random.Random]:
        """Return the number of the next trial, and its dice."""
        number = next(self._numbers)
        return number, random.Random(f"{self._seed}:{number}")  # noqa: S311 - a seed is the point

    def _blows(self, dice: random.Random, verb: str) -> Iterator[Blow]:
        strike = drawn(dice)
        if strike.kind == "kill runner":
            deck = self._decks[verb]
            if not deck:
                deck.extend(dice.sample(self._boundaries[verb], len(self._boundaries[verb])))
            yield Blow(strike, boundary=deck.pop())
        elif dice.random() < _AT_BOUNDARY:
            yield Blow(strike, boundary=dice.choice(self._boundaries[verb]))
        else:
            yield Blow(strike, share=_instant(dice))
        # What an interruption leaves behind differs too much for boundaries: instants do.
        while dice.random() < _AGAIN:
            yield Blow(drawn(dice), share=_instant(dice))


def _instant(dice: random.Random) -> float:
    return dice.random() * (_BEFORE_THE_NAMES_MOVE if dice.random() < _EARLY else 1.0)
