"""The direction in which the name moves: to the encrypted instance (cutover), or back to the source (rollback).

One protocol serves both: the *primary* has the name and gives it up, the *candidate* follows it and takes it over.
Afterwards the primary follows the candidate, so that the other direction stays open without loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.accounts import REPLICATION_USER, REVERSE_USER
from rds_encrypt.names import Names
from rds_encrypt.state import MigrationState, Position

__all__ = ["Direction", "cutover_direction", "rollback_direction"]


@dataclass(frozen=True)
class Direction:
    """One direction.

    Attributes:
        verb: its name in sentences.
        name: the name that moves, if one does.
        primary_id: DbiResourceId of the instance that has the name.
        candidate_id: DbiResourceId of the one that will.
        primary_name: the primary's name afterwards.
        primary_group: the parameter group that keeps it read-only from then on.
        following_user: the account with which the candidate follows the primary now.
        reverse_user: the account with which the primary will follow the candidate.
        point: the tag on the encrypted instance that marks the point of no return of this direction.
        cleared: tags to remove from both instances once the direction is complete.
        marked: the tag that says so on the encrypted instance.
    """

    verb: str
    name: str
    primary_id: str
    candidate_id: str
    primary_name: str
    primary_group: str
    following_user: str
    reverse_user: str
    point: Tag
    cleared: tuple[Tag, ...]
    marked: Tag
    encrypted_id: str

    @property
    def forward(self) -> bool:
        """Whether it is the cutover; otherwise it is the rollback."""
        return self.candidate_id == self.encrypted_id

    # The protocol goes by the tags: it must also complete what ``find_position`` would call complete.

    def begun(self, state: MigrationState) -> bool:
        """Whether the point of no return was passed."""
        # A rollback under way has both tags; the cutover must not complete it.
        return self.point in state.encrypted and not (self.forward and Tag.ROLLBACK_BEGAN in state.encrypted)

    def noted(self, state: MigrationState) -> bool:
        """Whether the tags say that this direction is complete."""
        complete = Position.ENCRYPTED if self.forward else Position.SOURCE
        return self.begun(state) and state.position is complete

    def moments(self, state: MigrationState) -> dict[Moment, str]:
        """When names began to move in this direction, and when it was complete, as far as the tags show it."""
        keys = {Moment.CUTOVER_BEGAN: self.point, Moment.OPEN: self.marked}
        return {moment: state.encrypted[key] for moment, key in keys.items() if key in state.encrypted}

    @property
    def stale(self) -> tuple[Tag, ...]:
        """Tags to remove before this direction begins: those of an attempt, and of a rollback whose tags AWS did not remove."""
        return (Tag.CUTOVER_BEGAN, Tag.OPENED, Tag.ROLLBACK_BEGAN) if self.forward else (self.point,)


def cutover_direction(names: Names, source_id: str, encrypted_id: str) -> Direction:
    """The name goes from the source to the encrypted instance."""
    return Direction(
        verb="cutover",
        name=names.source,
        primary_id=source_id,
        candidate_id=encrypted_id,
        primary_name=names.old,
        primary_group=names.fence,
        following_user=REPLICATION_USER,
        reverse_user=REVERSE_USER,
        point=Tag.CUTOVER_BEGAN,
        cleared=(Tag.ROLLED_BACK, Tag.ROLLBACK_LOST, Tag.RELEASE, Tag.VERIFIED),
        marked=Tag.OPENED,
        encrypted_id=encrypted_id,
    )


def rollback_direction(names: Names, source_id: str, encrypted_id: str) -> Direction:
    """The name goes back from the encrypted instance to the source."""
    return Direction(
        verb="rollback",
        name=names.source,
        primary_id=encrypted_id,
        candidate_id=source_id,
        primary_name=names.encrypted,
        primary_group=names.encrypted,
        following_user=REVERSE_USER,
        reverse_user=REPLICATION_USER,
        point=Tag.ROLLBACK_BEGAN,
        cleared=(
            Tag.ROLLBACK_BEGAN,
            Tag.CUTOVER_BEGAN,
            Tag.OPENED,
            Tag.ROLLBACK_LOST,
            Tag.STRATEGY,
            Tag.APPLICATIONS_MOVED,
            Tag.RELEASE,
            Tag.VERIFIED,
        ),
        marked=Tag.ROLLED_BACK,
        encrypted_id=encrypted_id,
    )
