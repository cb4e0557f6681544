"""How far a migration goes, and how: the two words that everything else depends on."""

from __future__ import annotations

from typing import Literal

__all__ = ["Method", "Phase"]

Phase = Literal["replicate", "cutover", "rollback", "cleanup"]
Method = Literal["online", "offline"]
