"""Whose turn it is to have a snapshot copied: told from the region's snapshots alone, whoever makes the copies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rds_encrypt import journal
from rds_encrypt.aws import copies
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.copies import Listed
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.turnstile import Turnstile
from rds_encrypt.journal import Role

__all__ = ["CopySlots", "Queue"]

_LASTS = timedelta(minutes=10)
"""For so long a turn counts as a copy that is about to begin: Pulumi may be busy with other resources. A run that was killed, or a
copy that AWS refused, holds nobody up for longer."""
_QUIET = 5.0
"""Seconds after a look in which no other source of the stack looks, when there was no room: calls must not grow with sources."""


@dataclass(frozen=True)
class CopySlots:
    """What the snapshots of a region say.

    Attributes:
        copied: whether there is a copy of the one that asks.
        busy: the names of the copies in progress, and of the others whose turn it is.
    """

    copied: bool
    busy: tuple[str, ...]

    @classmethod
    def among(cls, snapshots: Sequence[Listed], migration: str, now: datetime) -> CopySlots:
        """Tell what they say to the migration of a source, which is known by the source's DbiResourceId."""
        made = {
            each.tags.get(journal.MIGRATION)
            for each in snapshots
            if journal.belongs(each.tags, Role.ENCRYPTED)
        }
        copying = {each.identifier for each in snapshots if each.in_progress and _is_copy(each)}
        called = {
            each.identifier
            for each in snapshots
            if each.tags.get(journal.MIGRATION) not in {*made, migration} and _called(each, now)
        }
        return cls(migration in made, tuple(sorted(copying | called)))


@dataclass(frozen=True)
class Queue:
    """The queue of a source's snapshot.

    Attributes:
        snapshot: the ARN of the snapshot to be copied.
        migration: the DbiResourceId of the source.
        at_once: how many copies of the region may be in progress.
    """

    aws: Aws
    snapshot: str
    migration: str
    at_once: int

    def look(self) -> CopySlots | None:
        """Look, and take the turn if there is room; ``None`` while another source looks, or has just seen that there is none.

        Looking and taking are one for all runs of a user on a machine. Others may take one turn too many at the same moment, which is
        why fewer are allowed here than by AWS.
        """
        turnstile = Turnstile(f"copies-{self._place}", _QUIET)
        with turnstile.passing() as mine:
            if not mine:
                return None
            snapshots, now = copies.listed(self.aws), datetime.now(UTC)
            found = CopySlots.among(snapshots, self.migration, now)
            if self.may_begin(found) and not found.copied:
                own = next((each for each in snapshots if each.arn == self.snapshot), None)
                if own is None:
                    raise ActionRequired(
                        "the snapshot to be copied does not exist",
                        where=self.name,
                        fix="Run `pulumi refresh`, then `pulumi up`, which makes it anew",
                    )
                copies.tag(self.aws, own.arn, {journal.COPY_SLOT: now.isoformat(timespec="seconds")})
            elif not found.copied:
                turnstile.rest()
            return found

    @property
    def name(self) -> str:
        """The snapshot's name."""
        return self.snapshot.rpartition(":")[2]

    @property
    def _place(self) -> str:
        """What tells one region of one account from all others: a lock is for those that share a limit."""
        account = self.snapshot.split(":")[4]
        return hashlib.sha256(f"{account} {self.aws.rds.meta.endpoint_url}".encode()).hexdigest()[:12]

    def may_begin(self, found: CopySlots | None) -> bool:
        """Whether the copy may be made now, or exists."""
        return found is not None and (found.copied or len(found.busy) < self.at_once)


def _is_copy(snapshot: Listed) -> bool:
    return snapshot.origin is not None or journal.belongs(snapshot.tags, Role.ENCRYPTED)


def _called(snapshot: Listed, now: datetime) -> bool:
    said = snapshot.tags.get(journal.COPY_SLOT)
    return said is not None and now - datetime.fromisoformat(said) < _LASTS
