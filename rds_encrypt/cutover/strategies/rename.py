"""Strategy `rename`: AWS exchanges the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rds_encrypt.access import endpoint_of
from rds_encrypt.check import Check, Scope, Severity
from rds_encrypt.cutover import former_primary, release
from rds_encrypt.cutover.context import CutoverCheck, CutoverContext, Move, Strategy
from rds_encrypt.cutover.direction import Direction
from rds_encrypt.cutover.fences import fence_left
from rds_encrypt.cutover.opening import opened_candidate
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.cutover.windows import backup_window
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.session import Endpoint

__all__ = ["BACKUP_WINDOW", "Rename"]

BACKUP_WINDOW: CutoverCheck = Check("backup-window", Scope.CUTOVER, Severity.BLOCKING, backup_window)


@dataclass(frozen=True)
class Rename(Strategy):
    """Exchange the names; the instance that has the name uses the owner's parameter group."""

    name: ClassVar[str] = "rename"
    keeps_name: ClassVar[bool] = False
    may_lock_accounts: ClassVar[bool] = True

    def checks(self) -> tuple[CutoverCheck, ...]:
        """RDS renames no instance while it is backed up."""
        return (BACKUP_WINDOW,)

    def moves(self, direction: Direction, primary: str, candidate: str, group: str) -> list[Move]:
        """Both renames."""
        fenced = f"rename {primary} to {direction.primary_name}, fenced by parameter group {direction.primary_group}"
        opened = f"rename {candidate} to {direction.name}, open with parameter group {group}"
        return [Move(fenced, renames=True), Move(opened, renames=True)]

    def fence_group(self, context: CutoverContext) -> str:
        """The owner's group, which the primary runs with."""
        return context.source_group

    def address_afterwards(self, context: CutoverContext) -> Endpoint:
        """The name's address, which is the primary's own until it is renamed."""
        return endpoint_of(context.primary())

    def move(self, context: CutoverContext) -> None:
        """Ask for both renames, unfence the owner's group when no fenced instance uses it any more, wait for the candidate."""
        direction, instances, deadline = context.direction, context.instances, context.deadlines.rename
        fence = fence_left(context, self.fence_group(context))
        context.progress(f"renaming {context.names.source} to {direction.primary_name}")
        # While it waits for the name, it gets its group, which its own rename puts into effect. If it is busy, that rename asks for
        # both. Not earlier: until here, a restart with the owner's group would have opened it.
        instances.ask_group(direction.candidate_id, context.source_group)
        # The primary takes the fence with it into a group of its own, in the same reboot that renames it.
        former_primary.give_up_name(context)
        # The rename takes longer than this. Otherwise the candidate would follow its own name afterwards, and the reboot of its own
        # rename would start the channel, as RDS does with all that are not reset.
        release.let_go(context)
        former_primary.make_room(context, context.candidate())
        instances.ask_rename(
            direction.candidate_id,
            context.names.source,
            parameter_group=context.source_group,
            deadline=deadline,
            progress=context.progress,
        )
        former_primary.await_harmless(context)
        context.timeline.mark(Moment.FIRST_RENAMED)
        # Only now: an instance whose new group is not in effect yet still runs with the owner's, and would be opened.
        fence.put_back()
        context.progress(f"waiting for {context.names.source} to answer from the other instance")
        instances.await_rename(
            direction.candidate_id,
            context.names.source,
            parameter_group=context.source_group,
            deadline=deadline,
            progress=context.progress,
        )
        context.timeline.mark(Moment.SECOND_RENAMED)
        with opened_candidate(context) as candidate:
            fence.hand_over(candidate)
        context.timeline.mark(Moment.OPEN)
        context.forget(context.find_primary(), [Tag.FENCE_BEFORE, Tag.LOCKED_BEFORE])
