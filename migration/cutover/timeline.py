"""When each moment of a cut-over was."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

__all__ = ["Moment", "Timeline"]


class Moment(StrEnum):
    """The moments worth remembering, in their order."""

    FENCE_REQUESTED = "fence_requested"
    FENCED = "fenced"
    DRAINED = "drained"
    PROMOTED = "promoted"
    SWAP_BEGAN = "swap_began"
    FIRST_RENAMED = "first_renamed"
    SECOND_RENAMED = "second_renamed"
    APPLICATIONS_MOVED = "applications_moved"
    OPEN = "open"
    WAY_BACK_OPEN = "way_back_open"


class Timeline:
    """Remembers the first time that each moment was reached."""

    def __init__(self) -> None:
        self._moments: dict[Moment, datetime] = {}

    def mark(self, moment: Moment) -> None:
        """Note that a moment is now, unless it was before."""
        self._moments.setdefault(moment, datetime.now(UTC))

    def as_outputs(self) -> dict[str, str]:
        """Return ISO 8601 times in UTC by moment; moments before an interruption are missing."""
        return {
            str(moment): when.isoformat(timespec="milliseconds") for moment, when in self._moments.items()
        }
