"""The durable journal: tags on the instances say whose they are and how far a cut-over has come.

State files get lost and processes get killed; tags stay with the DbiResourceId through every rename.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = [
    "ATTACHED",
    "BACKEND",
    "COORDINATES",
    "FENCED_GROUP",
    "FENCE_BEFORE",
    "KEYS",
    "LOCKED_BEFORE",
    "MIGRATION",
    "OPENED",
    "OWNER",
    "PARTNER",
    "PROMOTED_AT",
    "RELEASE",
    "RETENTION_BEFORE",
    "RETURNING",
    "ROLE",
    "ROLLED_BACK",
    "SERVER",
    "SWAPPED",
    "TURN",
    "VERIFIED",
    "VERIFYING",
    "Role",
    "belongs",
    "moving",
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
"""On the source: a digest of where that stack keeps its state, which tells it from one of the same name elsewhere."""
PARTNER = f"{_PREFIX}encrypted"
"""On the source: the DbiResourceId of its encrypted instance, written before the names move."""
FENCED_GROUP = f"{_PREFIX}parameter-group"
"""On the source: the parameter group it had when the migration began, which the encrypted instance will take over."""
FENCE_BEFORE = f"{_PREFIX}read-only-before"
"""On the losing instance: what `read_only` was in that group before the fence; or `accounts`, when those are the fence."""
LOCKED_BEFORE = f"{_PREFIX}locked-before"
"""On the losing instance, when its accounts are locked: digests of those that were locked before."""
RETENTION_BEFORE = f"{_PREFIX}binlog-retention-before"
"""On the source: `binlog retention hours` before the migration; 0 for RDS's default of purging at once."""
PROMOTED_AT = f"{_PREFIX}promoted-at"
"""On the instance that takes the name over: the other one's coordinates at which it stopped following."""
SERVER = f"{_PREFIX}server"
"""On the instance that takes the name over: its server_uuid, by which it is known when it answers at the name."""
SWAPPED = f"{_PREFIX}swapped"
"""On the encrypted instance: when the names began to move, the point of no return."""

OPENED = f"{_PREFIX}opened"
"""On the encrypted instance: when it began to take production's writes, the end of the cut-over."""
VERIFIED = f"{_PREFIX}verified"
"""On the source: when an encrypted instance was last found to hold the same, how that was compared, and which instance."""
VERIFYING = f"{_PREFIX}verifying"
"""On the source: its replica and its encrypted instance are being brought to a stand-still, to be compared."""
COORDINATES = f"{_PREFIX}coordinates"
"""On both snapshots: the source's coordinates that they hold."""
TURN = f"{_PREFIX}turn"
"""On the replica's snapshot: when it was its turn to be copied."""
ATTACHED = f"{_PREFIX}attached"
"""On the source: DbiResourceId of the encrypted instance that has followed it, from its snapshot's coordinates on."""
RELEASE = f"{_PREFIX}release"
"""On the source, written by an operator: a postponed cut-over may begin."""
RETURNING = f"{_PREFIX}returning"
"""On the encrypted instance: when the names began to move back, a rollback's point of no return."""
ROLLED_BACK = f"{_PREFIX}rolled-back"
"""On the encrypted instance: when the source had its name back."""

KEYS = (
    ROLE,
    MIGRATION,
    OWNER,
    BACKEND,
    PARTNER,
    FENCED_GROUP,
    FENCE_BEFORE,
    LOCKED_BEFORE,
    RETENTION_BEFORE,
    PROMOTED_AT,
    SERVER,
    SWAPPED,
    OPENED,
    RELEASE,
    RETURNING,
    ROLLED_BACK,
    VERIFIED,
    VERIFYING,
    COORDINATES,
    TURN,
    ATTACHED,
)


class Role(StrEnum):
    """What an instance is in a migration."""

    SOURCE = "source"
    REPLICA = "replica"
    ENCRYPTED = "encrypted"


def tags_for(role: Role, migration: str) -> dict[str, str]:
    """Return the tags that mark an instance as part of a migration."""
    return {ROLE: str(role), MIGRATION: migration}


def belongs(tags: Mapping[str, str], role: Role) -> bool:
    """Whether these tags mark an instance of that role."""
    return tags.get(ROLE) == role


def moving(tags: Mapping[str, str]) -> str | None:
    """Return the phase whose swap has passed its point of no return and is not complete, by the tags of the encrypted instance."""
    if RETURNING in tags:
        return "rollback"
    return "cutover" if SWAPPED in tags and OPENED not in tags else None


def without(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the owner's own tags: those that neither we nor AWS wrote."""
    return {key: value for key, value in tags.items() if not key.startswith((_PREFIX, "aws:", "rds:"))}
