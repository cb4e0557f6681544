"""The time model of the bench: AWS's minutes in seconds, the same for both procedures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dev.sandbox.rds.clock import TimeModel

__all__ = ["Model", "Strategy", "model_for"]

Strategy = Literal["rename", "dns"]

_RENAME = ("notice", "away", "rename")
_WAITER = 30.0
"""Seconds between two looks of `aws rds wait`."""


@dataclass(frozen=True)
class Model:
    """The sandbox's profile `paced`: instances are built in seconds, stretched by a factor; RDS's procedures pause as on RDS."""

    factor: float
    profile: str = "paced"

    @property
    def rename(self) -> float:
        """What the clock imposes for one rename, the restart of the server not included."""
        clock = TimeModel(self.profile, self.factor)
        return sum(clock.seconds(part) for part in _RENAME)

    @property
    def parameter(self) -> float:
        """What the clock imposes until a changed parameter is in effect."""
        return TimeModel(self.profile, self.factor).seconds("apply")

    @property
    def compression(self) -> float:
        """How many seconds here stand for one second of AWS, going by a rename."""
        return self.rename / Model(1.0, "realistic").rename

    @property
    def waiter_delay(self) -> float:
        """The pause of `aws rds wait`, in seconds here."""
        return _WAITER * self.compression


def model_for(strategy: Strategy) -> Model:
    """Return the model to measure a strategy in.

    Where names are swapped, a rename (7.5 s) must be long beside what a laptop adds of its own; where they are not, there is
    nothing to stretch it for.
    """
    return Model(10.0 if strategy == "rename" else 4.0)
