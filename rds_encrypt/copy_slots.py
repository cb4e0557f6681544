"""Copy slots: whether a source's snapshot may be copied now, judged only by the region's snapshots."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rds_encrypt.aws import copies
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.copies import Listed
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.turnstile import Turnstile
from rds_encrypt.journal import Role, Tag, belongs

__all__ = ["CopySlots", "Queue"]

_LASTS = timedelta(minutes=10)
"""How long a slot counts as a copy that is about to begin: Pulumi may be busy with other resources. A killed run, or a copy that
AWS refused, then no longer blocks other sources."""
_QUIET = 5.0
"""Seconds for which no other source of the stack checks after one found no free slot: calls must not grow with sources."""


@dataclass(frozen=True)
class CopySlots:
    """The state of the slots, judged by a region's snapshots.

    Attributes:
        copied: whether the source's own copy exists.
        busy: the names of the copies in progress, and of the other snapshots that hold a slot.
    """

    copied: bool
    busy: tuple[str, ...]

    @classmethod
    def among(cls, snapshots: Sequence[Listed], migration: str, now: datetime) -> CopySlots:
        """Return the state as seen by one migration, identified by its source's DbiResourceId."""
        made = {
            snapshot.tags.get(Tag.MIGRATION)
            for snapshot in snapshots
            if belongs(snapshot.tags, Role.ENCRYPTED)
        }
        copying = {
            snapshot.identifier for snapshot in snapshots if snapshot.in_progress and _is_copy(snapshot)
        }
        called = {
            snapshot.identifier
            for snapshot in snapshots
            if snapshot.tags.get(Tag.MIGRATION) not in {*made, migration} and _called(snapshot, now)
        }
        return cls(migration in made, tuple(sorted(copying | called)))


@dataclass(frozen=True)
class Queue:
    """The queue of a source's snapshot.

    Attributes:
        snapshot: the ARN of the snapshot to copy.
        migration: the DbiResourceId of the source.
        at_once: how many copies may be in progress in the region.
    """

    aws: Aws
    snapshot: str
    migration: str
    at_once: int

    def look(self) -> CopySlots | None:
        """Check, and take a slot if one is free; ``None`` while another source checks, or has just found none free.

        Check and take are one unit among all runs of a user on a machine. Other runs may take one slot too many at the same moment,
        so there are fewer slots than AWS allows.
        """
        turnstile = Turnstile(f"copies-{self._place}", _QUIET)
        with turnstile.passing() as mine:
            if not mine:
                return None
            snapshots, now = copies.listed(self.aws), datetime.now(UTC)
            slots = CopySlots.among(snapshots, self.migration, now)
            if self.may_begin(slots) and not slots.copied:
                own = next((snapshot for snapshot in snapshots if snapshot.arn == self.snapshot), None)
                if own is None:
                    raise ActionRequired(
                        "the snapshot to copy does not exist",
                        where=self.name,
                        fix="Run `pulumi refresh`, then `pulumi up`, which takes it again",
                    )
                copies.tag(self.aws, own.arn, {Tag.COPY_SLOT: now.isoformat(timespec="seconds")})
            elif not slots.copied:
                turnstile.rest()
            return slots

    @property
    def name(self) -> str:
        """The snapshot's name."""
        return self.snapshot.rpartition(":")[2]

    @property
    def _place(self) -> str:
        """Identifies one region of one account: a lock is for sources that share a limit."""
        account = self.snapshot.split(":")[4]
        return hashlib.sha256(f"{account} {self.aws.rds.meta.endpoint_url}".encode()).hexdigest()[:12]

    def may_begin(self, slots: CopySlots | None) -> bool:
        """Whether the copy may be made now, or exists."""
        return slots is not None and (slots.copied or len(slots.busy) < self.at_once)


def _is_copy(snapshot: Listed) -> bool:
    return snapshot.origin is not None or belongs(snapshot.tags, Role.ENCRYPTED)


def _called(snapshot: Listed, now: datetime) -> bool:
    taken_at = snapshot.tags.get(Tag.COPY_SLOT)
    return taken_at is not None and now - datetime.fromisoformat(taken_at) < _LASTS
