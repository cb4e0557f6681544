"""Which way the name moves: to the encrypted instance (cut-over), or back to the source (rollback).

One protocol serves both: the *losing* instance has the name and gives it up, the *winning* one follows it and takes it over.
Afterwards the losing one follows the winning one, so that the other direction stays open without loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migration import journal
from migration.names import Names
from replication.accounts import REPLICATION_USER, REVERSE_USER

__all__ = ["Course", "cut_over_course", "rollback_course"]


@dataclass(frozen=True)
class Course:
    """One direction.

    Attributes:
        verb: what it is called in sentences.
        losing_id: DbiResourceId of the instance that has the name.
        winning_id: DbiResourceId of the one that will.
        losing_name: what the losing instance is called afterwards.
        losing_group: the parameter group that keeps it read-only from then on.
        following_user: the account with which the winning one follows the losing one now.
        reverse_user: the account with which the losing one will follow the winning one.
        point: the tag on the encrypted instance that marks the point of no return of this direction.
        cleared: tags to take off both instances once the direction is complete.
        marked: the tag that says so on the encrypted instance.
    """

    verb: str
    losing_id: str
    winning_id: str
    losing_name: str
    losing_group: str
    following_user: str
    reverse_user: str
    point: str
    cleared: tuple[str, ...]
    marked: str
    encrypted_id: str

    def begun(self, tags: Mapping[str, str]) -> bool:
        """Whether the point of no return was passed, by the tags of the encrypted instance."""
        # A rollback under way has both tags; it is not the cut-over's to complete.
        return self.point in tags and (self.point == journal.RETURNING or journal.RETURNING not in tags)

    def noted(self, tags: Mapping[str, str]) -> bool:
        """Whether the tags of the encrypted instance say that this direction is complete."""
        return self.begun(tags) and journal.completed(tags, self.point, self.marked)

    @property
    def stale(self) -> tuple[str, ...]:
        """Tags that must be gone before this direction begins: of an attempt, and of a way back whose tags AWS would not take off."""
        return (
            (self.point,)
            if self.point == journal.RETURNING
            else (journal.SWAPPED, journal.OPENED, journal.RETURNING)
        )


def cut_over_course(names: Names, source_id: str, encrypted_id: str) -> Course:
    """The name goes from the source to the encrypted instance."""
    return Course(
        verb="cut-over",
        losing_id=source_id,
        winning_id=encrypted_id,
        losing_name=names.old,
        losing_group=names.fence,
        following_user=REPLICATION_USER,
        reverse_user=REVERSE_USER,
        point=journal.SWAPPED,
        cleared=(journal.ROLLED_BACK, journal.ROLLBACK_LOST, journal.RELEASE, journal.VERIFIED),
        marked=journal.OPENED,
        encrypted_id=encrypted_id,
    )


def rollback_course(names: Names, source_id: str, encrypted_id: str) -> Course:
    """The name goes back from the encrypted instance to the source."""
    return Course(
        verb="rollback",
        losing_id=encrypted_id,
        winning_id=source_id,
        losing_name=names.encrypted,
        losing_group=names.encrypted,
        following_user=REVERSE_USER,
        reverse_user=REPLICATION_USER,
        point=journal.RETURNING,
        cleared=(journal.RETURNING, journal.SWAPPED, journal.OPENED, journal.ROLLBACK_LOST, journal.VERIFIED),
        marked=journal.ROLLED_BACK,
        encrypted_id=encrypted_id,
    )
