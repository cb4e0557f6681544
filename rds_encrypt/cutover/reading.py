"""A reading: what a check saw, and whether that is as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.mysql.session import Session

__all__ = ["Check", "Reading"]


@dataclass(frozen=True)
class Reading:
    """What a check saw, in a clause, and whether that is as it should be."""

    passed: bool
    saw: str


Check = Callable[[CutoverContext, Session, Session], Reading]
