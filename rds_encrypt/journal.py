"""The durable journal: tags on the instances record their role and the progress of a cutover.

State files get lost and processes get killed; tags stay with the DbiResourceId through every rename.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

__all__ = [
    "ATTACHED",
    "BACKEND",
    "COORDINATES",
    "COPY_SLOT",
    "CUTOVER_BEGAN",
    "EVENTS",
    "FENCED_GROUP",
    "FENCE_BEFORE",
    "FENCE_NOTE",
    "KEYS",
    "LOCKED_BEFORE",
    "MIGRATION",
    "OPENED",
    "OWNER",
    "PARTNER",
    "PROMOTED_AT",
    "RELEASE",
    "RETENTION_BEFORE",
    "ROLE",
    "ROLLBACK_BEGAN",
    "ROLLBACK_LOST",
    "ROLLED_BACK",
    "SERVER",
    "UNMOVED",
    "VERIFIED",
    "VERIFYING",
    "WRITTEN_BY",
    "Role",
    "as_value",
    "belongs",
    "completed",
    "cutover_begun",
    "tags_for",
    "without",
]

_PREFIX = "rds-encrypt:"
ROLE = f"{_PREFIX}role"
MIGRATION = f"{_PREFIX}migration"
"""The DbiResourceId of the source; the same on all instances of one migration."""
OWNER = f"{_PREFIX}owner"
"""The stack that runs the migration."""
BACKEND = f"{_PREFIX}backend"
"""On the source: a digest of where that stack keeps its state, to distinguish stacks of the same name."""
WRITTEN_BY = f"{_PREFIX}version"
"""On the source: the version of rds-encrypt that began the migration, or last continued it."""
PARTNER = f"{_PREFIX}encrypted"
"""On the source: the DbiResourceId of its encrypted instance, written before the names move."""
FENCED_GROUP = f"{_PREFIX}parameter-group"
"""On the source: the parameter group it had when the migration began, which the encrypted instance will take over."""
FENCE_BEFORE = f"{_PREFIX}read-only-before"
"""On the primary: the value of `read_only` in that group before the fence; or `accounts`, if those are the fence."""
LOCKED_BEFORE = f"{_PREFIX}locked-before"
"""On the primary, when its accounts are locked: digests of those that were locked before."""
RETENTION_BEFORE = f"{_PREFIX}binlog-retention-before"
"""On the source, and on the encrypted instance, which outlives it: the source's `binlog retention hours` before the migration;
0 for RDS's default of purging at once."""
PROMOTED_AT = f"{_PREFIX}promoted-at"
"""On the instance that takes over the name: the former primary's coordinates at which it stopped following."""
SERVER = f"{_PREFIX}server"
"""On the instance that takes over the name: its server_uuid, which identifies it when it answers at the name."""
FENCE_NOTE = f"{_PREFIX}fence"
"""On the instance that takes over the name: FENCE_BEFORE of the former primary, which may be deleted before the fence is lifted."""
EVENTS = f"{_PREFIX}events"
"""On the instance that takes over the name: digests of the events to enable there, in case the former primary is gone by then."""
CUTOVER_BEGAN = f"{_PREFIX}cutover-began"
"""On the encrypted instance: when the names began to move, the point of no return."""

OPENED = f"{_PREFIX}opened"
"""On the encrypted instance: when it began to take production's writes, the end of the cutover."""
VERIFIED = f"{_PREFIX}verified"
"""On the source: when an encrypted instance last matched it, how they were compared, and which instance."""
VERIFYING = f"{_PREFIX}verifying"
"""On the source: rds-encrypt is stopping its replica and its encrypted instance at the same coordinates, to compare them."""
COORDINATES = f"{_PREFIX}coordinates"
"""On both snapshots: the source's coordinates that they hold."""
COPY_SLOT = f"{_PREFIX}copy-slot"
"""On the replica's snapshot: when it took a copy slot."""
UNMOVED = f"{_PREFIX}unmoved"
"""On the replica's snapshot: the coordinates at which the replica was still stopped when the snapshot was complete, so it holds them."""
ATTACHED = f"{_PREFIX}attached"
"""On the source: DbiResourceId of the encrypted instance that has followed it since its snapshot's coordinates."""
RELEASE = f"{_PREFIX}release"
"""On the source, written by an operator: a postponed cutover may begin."""
ROLLBACK_BEGAN = f"{_PREFIX}rollback-began"
"""On the encrypted instance: when the names began to move back, a rollback's point of no return."""
ROLLED_BACK = f"{_PREFIX}rolled-back"
"""On the encrypted instance: when the source got its name back."""
ROLLBACK_LOST = f"{_PREFIX}rollback-lost"
"""On the encrypted instance: why the old one can no longer follow it, so that a rollback is impossible."""

KEYS = (
    ROLE,
    MIGRATION,
    OWNER,
    BACKEND,
    WRITTEN_BY,
    PARTNER,
    FENCED_GROUP,
    FENCE_BEFORE,
    LOCKED_BEFORE,
    RETENTION_BEFORE,
    PROMOTED_AT,
    SERVER,
    FENCE_NOTE,
    EVENTS,
    CUTOVER_BEGAN,
    OPENED,
    RELEASE,
    ROLLBACK_BEGAN,
    ROLLED_BACK,
    ROLLBACK_LOST,
    VERIFIED,
    VERIFYING,
    COORDINATES,
    COPY_SLOT,
    UNMOVED,
    ATTACHED,
)


class Role(StrEnum):
    """An instance's role in a migration."""

    SOURCE = "source"
    REPLICA = "replica"
    ENCRYPTED = "encrypted"


def tags_for(role: Role, migration: str) -> dict[str, str]:
    """Return the tags that mark an instance as part of a migration."""
    return {ROLE: str(role), MIGRATION: migration}


def belongs(tags: Mapping[str, str], role: Role) -> bool:
    """Whether these tags mark an instance of that role."""
    return tags.get(ROLE) == role


def cutover_begun(tags: Mapping[str, str]) -> bool:
    """Whether the name is with the encrypted instance, or on the way there or back, by that instance's tags.

    The tags of a complete rollback may remain, if AWS refused to remove them.
    """
    return CUTOVER_BEGAN in tags and not completed(tags, ROLLBACK_BEGAN, ROLLED_BACK)


def completed(tags: Mapping[str, str], point: str, marked: str) -> bool:
    """Whether a move is complete: its mark may also date from before an earlier cutover and rollback."""
    return point in tags and tags.get(marked, "") >= tags[point]


def as_value(text: str) -> str:
    """Return a text as a valid tag value: AWS accepts letters, digits, blanks and a few signs, 256 characters in all."""
    return re.sub(r"[^A-Za-z0-9 _.:/=+@-]+", " ", text).strip()[:256]


def without(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the owner's own tags: those that neither rds-encrypt nor AWS wrote."""
    return {key: value for key, value in tags.items() if not key.startswith((_PREFIX, "aws:", "rds:"))}
