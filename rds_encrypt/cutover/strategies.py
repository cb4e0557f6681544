"""How applications move to the other instance: by its name, by a DNS record or command of theirs, or not by us.

`rename` is the runbook's procedure: applications notice only the gap, but each rename reboots and takes AWS minutes. The others
keep both names and take seconds: the candidate opens under its own name.
"""

from __future__ import annotations

from dataclasses import dataclass

from rds_encrypt import exec_mode, journal
from rds_encrypt.access import endpoint_of
from rds_encrypt.aws import dns_records
from rds_encrypt.cutover import former_primary, hooks, release
from rds_encrypt.cutover.context import CutoverContext, Strategy
from rds_encrypt.cutover.fence import ParameterGroupFence
from rds_encrypt.cutover.fences import fence_left
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.mysql import writes
from rds_encrypt.mysql.session import Endpoint
from rds_encrypt.settings import CutoverSettings

__all__ = ["InPlace", "Rename", "strategy_of"]


@dataclass(frozen=True)
class Rename:
    """Exchange the names; the instance that has the name uses the owner's parameter group."""

    renames: bool = True

    def moves(self, context: CutoverContext) -> list[str]:
        """Both renames."""
        return [
            f"rename {context.primary().identifier} to {context.direction.primary_name}, fenced by parameter group {context.direction.primary_group}",
            f"rename {context.candidate().identifier} to {context.names.source}, open with parameter group {context.source_group}",
        ]

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
        with context.session_on_candidate() as candidate:
            writes.wait_until_writable(candidate, deadline=context.settings.max_write_outage)
            fence.hand_over(candidate)
        context.timeline.mark(Moment.OPEN)
        context.forget(context.find_primary(), [journal.FENCE_BEFORE, journal.LOCKED_BEFORE])


@dataclass(frozen=True)
class InPlace:
    """Keep the names: open the candidate under its own name, and point applications at it.

    With a record, rds-encrypt changes that; with a `move` hook, your command moves applications; with neither, you do.
    """

    renames: bool = False

    def moves(self, context: CutoverContext) -> list[str]:
        """Opening, and what points applications there."""
        candidate = context.candidate().identifier
        dns, move = context.settings.dns, context.settings.hooks.move
        if dns is not None:
            how = f"point {dns.record} at {candidate}"
        elif move:
            how = f"run `{move[0]}`, which moves the applications"
        else:
            how = f"you move the applications to {candidate}"
        return [
            f"open {candidate} under its own name",
            how,
            f"end the sessions that stay on {context.primary().identifier}",
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
        if (dns := context.settings.dns) is not None:
            context.progress(f"pointing {dns.record} at {candidate.identifier}")
            dns_records.point(context.aws, dns, endpoint_of(candidate).host)
        hooks.run(context, "move")
        with context.access.session(candidate) as opening:
            writes.wait_until_writable(opening, deadline=context.settings.max_write_outage)
        context.timeline.mark(Moment.OPEN)
        self._end_sessions(context)
        context.timeline.mark(Moment.APPLICATIONS_MOVED)
        with context.not_needed(f"parameter group {candidate.parameter_group} keeps STRICT for replication"):
            exec_mode.put_back(context.groups, candidate.parameter_group, context.source_group)

    def _end_sessions(self, context: CutoverContext) -> None:
        """End sessions that stay on the primary, where pools would keep failing; one that does not run has none."""
        found = context.find_primary()
        if found is None or not found.serving:
            context.warn(
                f"{context.direction.primary_name if found is None else found.identifier} does not run, so it has no sessions to end"
            )
            return
        with (
            context.not_needed(f"sessions may stay on {found.identifier}"),
            context.access.session(found) as left,
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


def strategy_of(settings: CutoverSettings) -> Strategy:
    """Return how applications move."""
    return Rename() if settings.strategy == "rename" else InPlace()
