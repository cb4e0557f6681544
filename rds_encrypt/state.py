"""The state of a migration: where its name is, and what is under way. All code that needs to know asks here.

Usually the tags show it. If the tag that ends a move is missing, because AWS refused it, the instances decide: which one has the
name, and whether its parameter group allows writes (``find_position``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.journal import Role, Tag, belongs
from rds_encrypt.names import Names

__all__ = [
    "BY_HAND",
    "ENDED",
    "MigrationState",
    "Position",
    "carries_production",
    "find_position",
    "owner_group",
    "state_of",
]

_BETWEEN = {"renaming", "rebooting", "starting", "stopping", "stopped", "deleting"}


class Position(StrEnum):
    """The instance that carries production, or the direction in which production is moving."""

    SOURCE = "source"
    LEAVING = "leaving"
    """A cutover has passed its point of no return, and is not complete."""
    ENCRYPTED = "encrypted"
    RETURNING = "returning"
    """A rollback has passed its point of no return, and is not complete."""

    @property
    def phase_under_way(self) -> str | None:
        """The phase that completes the move under way, if there is one."""
        return {Position.LEAVING: "cutover", Position.RETURNING: "rollback"}.get(self)


@dataclass(frozen=True)
class MigrationState:
    """The state at the moment of a look-up; tags written later do not change it.

    Attributes:
        source: the source's tags; none if it is gone, or was not asked about.
        encrypted: the same of the encrypted instance.
        observed: the position that ``find_position`` returned; without it, tags alone decide.
    """

    source: Mapping[str, str]
    encrypted: Mapping[str, str]
    observed: Position | None = None

    @property
    def position(self) -> Position:
        """Where the name is."""
        if self.observed is not None:
            return self.observed
        # First, since a rollback has the cutover's tags as well. Those of a complete one may remain, if AWS refused to remove them.
        if Tag.ROLLBACK_BEGAN in self.encrypted:
            over = self._completed(Tag.ROLLBACK_BEGAN, Tag.ROLLED_BACK)
            return Position.SOURCE if over else Position.RETURNING
        if Tag.CUTOVER_BEGAN in self.encrypted:
            over = self._completed(Tag.CUTOVER_BEGAN, Tag.OPENED)
            return Position.ENCRYPTED if over else Position.LEAVING
        return Position.SOURCE

    @property
    def cutover_begun(self) -> bool:
        """Whether the name is with the encrypted instance, or on the way there or back."""
        return self.position is not Position.SOURCE

    @property
    def cut_over(self) -> bool:
        """Whether the encrypted instance carries production, with no complete rollback since."""
        return self.position in {Position.ENCRYPTED, Position.RETURNING}

    @property
    def returning(self) -> bool:
        """Whether a rollback has passed its point of no return and is not complete."""
        return self.position is Position.RETURNING

    @property
    def rolled_back(self) -> bool:
        """Whether a rollback was completed, and no cutover since."""
        return Tag.ROLLED_BACK in self.encrypted

    @property
    def ever_moved(self) -> bool:
        """Whether the name has ever begun to move."""
        return Tag.CUTOVER_BEGAN in self.encrypted or self.rolled_back

    @property
    def cut_over_at(self) -> datetime:
        """When the encrypted instance took production's writes; if AWS refused that tag, when names began to move, minutes earlier."""
        return datetime.fromisoformat(
            self.encrypted.get(Tag.OPENED, self.encrypted.get(Tag.CUTOVER_BEGAN, ""))
        )

    @property
    def rollback_lost(self) -> str | None:
        """Why the old instance can no longer follow the encrypted one, if so."""
        return self.encrypted.get(Tag.ROLLBACK_LOST)

    @property
    def retired(self) -> bool:
        """Whether phase `cleanup` has ended the rollback path."""
        return self.cut_over and self.rollback_lost == ENDED

    @property
    def fenced(self) -> bool:
        """Whether an interrupted cutover left the source read-only."""
        return not self.cutover_begun and Tag.FENCE_BEFORE in self.source

    @property
    def opened_again(self) -> bool:
        """Whether the tag of that fence is left over from a complete rollback, which has lifted it."""
        return self.fenced and Tag.ROLLBACK_BEGAN in self.encrypted

    @property
    def production_fenced(self) -> bool:
        """Whether an interrupted rollback left the encrypted instance, which carries production, read-only.

        With PROMOTED_AT the tag dates from before its cutover, which removes both at its end: it was fenced after an earlier rollback.
        """
        noted = Tag.FENCE_BEFORE in self.encrypted and Tag.PROMOTED_AT not in self.encrypted
        return self.position is Position.ENCRYPTED and noted

    @property
    def strategy(self) -> str | None:
        """The strategy with which the name began to move, unless it is with the source."""
        return self.encrypted.get(Tag.STRATEGY) if self.cutover_begun else None

    @property
    def applications_to_move(self) -> bool:
        """Whether strategy `dns` or `none` is under way, and has not moved the applications yet: then an open instance proves nothing."""
        point = Tag.ROLLBACK_BEGAN if self.returning else Tag.CUTOVER_BEGAN
        return self.strategy in {"dns", "none"} and not self._completed(point, Tag.APPLICATIONS_MOVED)

    @property
    def verifying(self) -> bool:
        """Whether a verification may have stopped the replica and the encrypted instance."""
        return Tag.VERIFYING in self.source

    @property
    def partner_id(self) -> str | None:
        """DbiResourceId of the encrypted instance, once DeletionGuard has seen it."""
        return self.source.get(Tag.PARTNER)

    def _completed(self, point: Tag, marked: Tag) -> bool:
        """Whether a move is complete: its mark may also date from before an earlier cutover and rollback."""
        return self.encrypted.get(marked, "") >= self.encrypted[point]


def state_of(
    *, source: Instance | None = None, encrypted: Instance | None = None, position: Position | None = None
) -> MigrationState:
    """Return the state that the tags of these instances show."""
    return MigrationState(
        source=source.tags if source is not None else {},
        encrypted=encrypted.tags if encrypted is not None else {},
        observed=position,
    )


def find_position(aws: Aws, names: Names, encrypted: Instance, source: Instance | None) -> Position:
    """Return the position; if a move seems to be under way, check whether it is in fact complete."""
    state = state_of(encrypted=encrypted)
    noted = state.position
    if state.applications_to_move:
        return noted
    if noted is Position.LEAVING and _carries(aws, names, encrypted):
        return Position.ENCRYPTED
    if noted is Position.RETURNING and source is not None and _carries(aws, names, source):
        return Position.SOURCE
    return noted


def carries_production(position: Position, encrypted: Instance) -> bool:
    """Whether the encrypted instance carries production, or is about to; one that has lost its tags counts too."""
    return position is not Position.SOURCE or not belongs(encrypted.tags, Role.ENCRYPTED)


ENDED = "phase cleanup has ended its path"
"""Why a rollback is impossible after phase `cleanup`, as the tag ROLLBACK_LOST says it."""

BY_HAND = (
    "If AWS does not list the source after five minutes either (a rename hides an instance for a while), make the encrypted instance"
    " production again by hand: docs/runbook.md, *The source is gone, or the encrypted one*."
    " Then run `pulumi up` in phase `cleanup`"
)
"""What to do when a rollback is under way, and the source that was to take the name no longer exists."""


def owner_group(source: Instance) -> str:
    """Return the parameter group that the source had when the migration began: a fence may have replaced it since."""
    return source.tags.get(Tag.FENCED_GROUP, source.parameter_group)


def _carries(aws: Aws, names: Names, instance: Instance) -> bool:
    """Whether an instance is open under the source's name, or under its own: then with the migration's parameter group."""
    if instance.status in _BETWEEN or instance.parameter_status != "in-sync":
        return False
    if names.source != instance.identifier and instance.parameter_group != names.encrypted:
        return False
    values = ParameterGroups(aws).user_values(instance.parameter_group)
    return values.get("read_only", ("0", ""))[0] not in {"1", "ON"}
