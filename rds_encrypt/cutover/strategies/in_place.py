"""Strategy `none`: no name moves, and you move the applications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from rds_encrypt import exec_mode
from rds_encrypt.access import endpoint_of
from rds_encrypt.aws.instance import Instance
from rds_encrypt.cutover.context import CutoverContext, Move, Strategy
from rds_encrypt.cutover.direction import Direction
from rds_encrypt.cutover.fence import ParameterGroupFence
from rds_encrypt.cutover.opening import opened_candidate
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import writes
from rds_encrypt.mysql.session import Endpoint

__all__ = ["InPlace"]


@dataclass(frozen=True)
class InPlace(Strategy):
    """Keep the names: open the candidate under its own name. A subclass moves the applications there; this one leaves that to you."""

    name: ClassVar[str] = "none"
    keeps_name: ClassVar[bool] = True
    may_lock_accounts: ClassVar[bool] = False

    def how(self, candidate: str) -> str:
        """Return what moves the applications, as a clause."""
        return f"you move the applications to {candidate}"

    def redirect(self, context: CutoverContext, candidate: Instance) -> None:
        """Move the applications, unless that is left to you."""

    def moves(self, direction: Direction, primary: str, candidate: str, group: str) -> list[Move]:
        """Opening, and what points applications there."""
        return [
            Move(f"open {candidate} under its own name"),
            Move(self.how(candidate)),
            Move(f"end the sessions that stay on {primary}"),
        ]

    def fence_group(self, context: CutoverContext) -> str:
        """The group that the primary runs with."""
        return context.primary().parameter_group

    def address_afterwards(self, context: CutoverContext) -> Endpoint:
        """Its own address."""
        return endpoint_of(context.candidate())

    def move(self, context: CutoverContext) -> None:
        """Open the candidate, move the applications, and end the sessions that stay on the primary."""
        candidate = context.candidate()
        self._unfence(context, candidate.parameter_group)
        # Moved before the parameter has taken effect: resolvers keep the old answer for a while anyway.
        self.redirect(context, candidate)
        # Never before the point of no return, also where this machine's clock is behind the one that noted that.
        began = context.encrypted().tags.get(context.direction.point, "")
        now = max(began, datetime.now(UTC).isoformat(timespec="seconds"))
        # Without this, an instance that is open would count as production before anybody uses it.
        context.instances.tag(context.direction.encrypted_id, {Tag.APPLICATIONS_MOVED: now})
        with opened_candidate(context):
            context.timeline.mark(Moment.OPEN)
        self._end_sessions(context)
        context.timeline.mark(Moment.APPLICATIONS_MOVED)
        with context.not_needed(f"parameter group {candidate.parameter_group} keeps STRICT for replication"):
            exec_mode.put_back(context.groups, candidate.parameter_group, context.source_group)

    def _end_sessions(self, context: CutoverContext) -> None:
        """End sessions that stay on the primary, where pools would keep failing; one that does not run has none."""
        primary = context.find_primary()
        if primary is None or not primary.serving:
            context.warn(
                f"{context.primary_name if primary is None else primary.identifier} does not run, so it has no sessions to end"
            )
            return
        with (
            context.not_needed(f"sessions may stay on {primary.identifier}"),
            context.access.session(primary) as left,
        ):
            writes.end_application_sessions(left)

    def _unfence(self, context: CutoverContext, group: str) -> None:
        """Let the candidate accept writes and fire events, as its owner configured."""
        fenced_before = ParameterGroupFence(
            context.instances, context.groups, context.direction.candidate_id, group
        )
        if not fenced_before.put_back():
            # A clone of the owner's group, read-only from the start: `read_only` is off by the engine's default.
            context.groups.reset_now(group, ["read_only"])
            scheduler = context.groups.user_values(context.source_group).get("event_scheduler")
            if scheduler is None:
                context.groups.reset_now(group, ["event_scheduler"])
            else:
                context.groups.set_now(group, {"event_scheduler": scheduler[0]})
