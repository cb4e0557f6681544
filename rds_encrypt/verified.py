"""The tag that records when the encrypted instance last matched the source, and whether that is recent enough.

It is on the source: Pulumi declares the encrypted instance with its tags, so an additional one would look like a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rds_encrypt.journal import Tag

__all__ = ["Verified", "verified"]

_STRICTNESS = ("off", "counts", "sample", "full")


@dataclass(frozen=True)
class Verified:
    """A clean verification.

    Attributes:
        at: when both were stopped at the same coordinates.
        level: how they were compared.
        encrypted_id: the instance that was compared.
    """

    at: datetime
    level: str
    encrypted_id: str

    @property
    def age(self) -> timedelta:
        """How long ago it was."""
        return datetime.now(UTC) - self.at

    def serves(self, level: str, hours: float) -> bool:
        """Whether it is recent enough, and compared at least as much as ``level`` does."""
        strict = _STRICTNESS.index(self.level) >= _STRICTNESS.index(level)
        return strict and self.age <= timedelta(hours=hours)

    def __str__(self) -> str:
        return f"{self.at.isoformat(timespec='seconds')} {self.level} {self.encrypted_id}"


def verified(tags: Mapping[str, str], encrypted_id: str) -> Verified | None:
    """Read the tag of the source; an unreadable one, or one about another instance, counts as none."""
    at, _, rest = tags.get(Tag.VERIFIED, "").partition(" ")
    level, _, compared = rest.partition(" ")
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        return None
    if level not in _STRICTNESS or when.tzinfo is None or compared != encrypted_id:
        return None
    return Verified(when, level, compared)
