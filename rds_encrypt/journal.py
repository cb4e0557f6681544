"""The durable journal: tags on the instances record their role and the progress of a cutover.

State files get lost and processes get killed; tags stay with the DbiResourceId through every rename.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

__all__ = [
    "KEYS",
    "Role",
    "Tag",
    "as_tag_value",
    "belongs",
    "owner_tags",
    "tags_for",
]

_PREFIX = "rds-encrypt:"


class Tag(StrEnum):
    """The keys of the tags; never rename one, since instances have them."""

    ROLE = "rds-encrypt:role"
    MIGRATION = "rds-encrypt:migration"
    """The DbiResourceId of the source; the same on all instances of one migration."""
    OWNER = "rds-encrypt:owner"
    """The stack that runs the migration."""
    BACKEND = "rds-encrypt:backend"
    """On the source: a digest of where that stack keeps its state, to distinguish stacks of the same name."""
    WRITTEN_BY = "rds-encrypt:version"
    """On the source: the version of rds-encrypt that began the migration, or found its lost state again."""
    PARTNER = "rds-encrypt:encrypted"
    """On the source: the DbiResourceId of its encrypted instance, written before the names move."""
    FENCED_GROUP = "rds-encrypt:parameter-group"
    """On the source: the parameter group it had when the migration began, which the encrypted instance will take over."""
    FENCE_BEFORE = "rds-encrypt:read-only-before"
    """On the primary: the value of `read_only` in that group before the fence; or `accounts`, if those are the fence."""
    LOCKED_BEFORE = "rds-encrypt:locked-before"
    """On the primary, when its accounts are locked: digests of those that were locked before."""
    RETENTION_BEFORE = "rds-encrypt:binlog-retention-before"
    """On the source, and on the encrypted instance, which outlives it: the source's `binlog retention hours` before the migration;
    0 for RDS's default of purging at once."""
    PROMOTED_AT = "rds-encrypt:promoted-at"
    """On the instance that takes over the name: the former primary's coordinates at which it stopped following."""
    SERVER = "rds-encrypt:server"
    """On the instance that takes over the name: its server_uuid, which identifies it when it answers at the name."""
    FENCE_NOTE = "rds-encrypt:fence"
    """On the instance that takes over the name: FENCE_BEFORE of the former primary, which may be deleted before the fence is lifted."""
    EVENTS = "rds-encrypt:events"
    """On the instance that takes over the name: digests of the events to enable there, in case the former primary is gone by then."""
    CUTOVER_BEGAN = "rds-encrypt:cutover-began"
    """On the encrypted instance: when the names began to move, the point of no return."""
    STRATEGY = "rds-encrypt:strategy"
    """On the encrypted instance: the strategy with which the names began to move; only a like one can complete that, or undo it."""
    APPLICATIONS_MOVED = "rds-encrypt:applications-moved"
    """On the encrypted instance: when strategy `dns` had moved the applications, or `none` had left that to you."""
    OPENED = "rds-encrypt:opened"
    """On the encrypted instance: when it began to take production's writes, the end of the cutover."""
    VERIFIED = "rds-encrypt:verified"
    """On the source: when an encrypted instance last matched it, how they were compared, and which instance."""
    VERIFYING = "rds-encrypt:verifying"
    """On the source: rds-encrypt is stopping its replica and its encrypted instance at the same coordinates, to compare them."""
    COORDINATES = "rds-encrypt:coordinates"
    """On both snapshots, and in method ``offline`` on the encrypted instance: the source's coordinates that they hold."""
    COPY_SLOT = "rds-encrypt:copy-slot"
    """On the replica's snapshot: when it took a copy slot."""
    UNMOVED = "rds-encrypt:unmoved"
    """On the replica's snapshot: the coordinates at which the replica was still stopped when the snapshot was complete, so it holds them."""
    ATTACHED = "rds-encrypt:attached"
    """On the source: DbiResourceId of the encrypted instance that has followed it since its snapshot's coordinates."""
    GROUP_RULE = "rds-encrypt:group-rule"
    """On the source: the security group whose rule of ours it needs; sources share the rule, and the last one removes it."""
    RELEASE = "rds-encrypt:release"
    """On either instance, written by an operator: a postponed cutover or rollback may begin."""
    ROLLBACK_BEGAN = "rds-encrypt:rollback-began"
    """On the encrypted instance: when the names began to move back, a rollback's point of no return."""
    ROLLED_BACK = "rds-encrypt:rolled-back"
    """On the encrypted instance: when the source got its name back."""
    REPLICA_OF = "rds-encrypt:replica-of"
    """On an encrypted replica: DbiResourceId and name of the owner's replica whose name it takes over."""
    PROXIES = "rds-encrypt:proxies"
    """On the encrypted instance: the RDS Proxy that is being moved to another target."""
    READERS_NAME = "rds-encrypt:readers-name"
    """On a replica of the owner's that comes along: the name that its readers use, even while it has another."""
    ROLLBACK_LOST = "rds-encrypt:rollback-lost"
    """On the encrypted instance: why the old one can no longer follow it, so that a rollback is impossible."""


KEYS = tuple(Tag)


class Role(StrEnum):
    """An instance's role in a migration."""

    SOURCE = "source"
    REPLICA = "replica"
    ENCRYPTED = "encrypted"
    ENCRYPTED_REPLICA = "encrypted-replica"
    ORIGINAL_REPLICA = "original-replica"
    """A replica of the owner's that comes along."""


def tags_for(role: Role, migration: str) -> dict[str, str]:
    """Return the tags that mark an instance as part of a migration."""
    return {Tag.ROLE: str(role), Tag.MIGRATION: migration}


def belongs(tags: Mapping[str, str], role: Role) -> bool:
    """Whether these tags mark an instance of that role."""
    return tags.get(Tag.ROLE) == role


def as_tag_value(text: str) -> str:
    """Return a text as a valid tag value: AWS accepts letters, digits, blanks and a few signs, 256 characters in all."""
    return re.sub(r"[^A-Za-z0-9 _.:/=+@-]+", " ", text).strip()[:256]


def owner_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the owner's own tags: those that neither rds-encrypt nor AWS wrote."""
    return {key: value for key, value in tags.items() if not key.startswith((_PREFIX, "aws:", "rds:"))}
