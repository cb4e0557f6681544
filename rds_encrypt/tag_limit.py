"""Counts how many tags of its own an instance may have, so that the journal still fits.

AWS allows 50 tags per resource, and does not count those that begin with `aws:` ("Tagging Amazon RDS resources", Amazon RDS User
Guide). The encrypted instance and the snapshots get the owner's tags as well, but fewer of the journal's than the source.
"""

from __future__ import annotations

from collections.abc import Mapping

from rds_encrypt.journal import KEYS, Tag

__all__ = ["LIMIT", "ON_SOURCE", "excess", "owned"]

LIMIT = 50
_NEVER_ON_SOURCE = {
    Tag.CUTOVER_BEGAN,
    Tag.STRATEGY,
    Tag.APPLICATIONS_MOVED,
    Tag.OPENED,
    Tag.ROLLBACK_BEGAN,
    Tag.ROLLED_BACK,
    Tag.ROLLBACK_LOST,
    Tag.COORDINATES,
    Tag.COPY_SLOT,
    Tag.UNMOVED,
}
"""Tags of the encrypted instance and of snapshots. All others count, including future ones."""
ON_SOURCE = frozenset(KEYS) - _NEVER_ON_SOURCE
"""All tags that a migration may write on the source, counted as if the source had all of them at once."""


def owned(tags: Mapping[str, str]) -> int:
    """Return how many of the tags count towards the limit and are not the journal's."""
    return sum(not key.startswith("aws:") and key not in KEYS for key in tags)


def excess(tags: Mapping[str, str]) -> int:
    """Return how many tags the owner must remove before a migration, 0 if the journal fits."""
    return max(0, owned(tags) + len(ON_SOURCE) - LIMIT)
