"""How applications get from one instance to the other: by its name, by a DNS record or command of theirs, or not by us.

`rename` is the runbook's way: applications notice nothing but the gap, but each rename reboots and takes AWS minutes. The others leave
both names as they are and take seconds: the winning instance opens where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from controlplane import records
from migration import exec_mode, journal
from migration.access import endpoint_of
from migration.cutover import hooks, losing, release
from migration.cutover.fence import ParameterGroupFence
from migration.cutover.fences import fence_left
from migration.cutover.site import Record, Site
from migration.cutover.timeline import Moment
from replication import writes
from replication.session import Endpoint

__all__ = ["InPlace", "Rename"]


@dataclass(frozen=True)
class Rename:
    """Swap the names; whoever has the name runs with its owner's parameter group."""

    record: None = None
    renames: bool = True

    def moves(self, site: Site) -> list[str]:
        """Both renames."""
        return [
            f"rename {site.losing().identifier} to {site.course.losing_name}, fenced by parameter group {site.course.losing_group}",
            f"rename {site.winning().identifier} to {site.names.source}, open with parameter group {site.source_group}",
        ]

    def fence_group(self, site: Site) -> str:
        """The owner's group, which the losing instance runs with."""
        return site.source_group

    def address_afterwards(self, site: Site) -> Endpoint:
        """The name's address, which is the losing instance's own until it is renamed."""
        return endpoint_of(site.losing())

    def move(self, site: Site) -> None:
        """Ask for both renames, unfence the owner's group when nobody fenced uses it any more, wait for the winning one."""
        course, instances, deadline = site.course, site.instances, site.limits.rename
        fence = fence_left(site, self.fence_group(site))
        site.progress(f"renaming {site.names.source} to {course.losing_name}")
        # It has to wait for the name anyway: meanwhile it can be given its group, which its own rename puts into effect. Should it
        # be busy, that rename asks for both. Not any earlier: until here the owner's group would have opened it, had it restarted.
        instances.ask_group(course.winning_id, site.source_group)
        # The losing instance takes the fence with it into a group of its own, in the same reboot that renames it.
        losing.give_up_name(site)
        # The rename takes longer than this. Afterwards the winning instance would be a follower of its own name; and the reboot
        # of its own rename would start the channel, which RDS does with all that are not reset.
        release.let_go(site)
        instances.ask_rename(
            course.winning_id,
            site.names.source,
            parameter_group=site.source_group,
            deadline=deadline,
            progress=site.progress,
        )
        losing.await_harmless(site)
        site.timeline.mark(Moment.FIRST_RENAMED)
        # Only now: an instance whose new group is not in effect yet still runs with the owner's, and would be opened.
        fence.put_back()
        site.progress(f"waiting for {site.names.source} to answer from the other instance")
        instances.await_rename(
            course.winning_id,
            site.names.source,
            parameter_group=site.source_group,
            deadline=deadline,
            progress=site.progress,
        )
        site.timeline.mark(Moment.SECOND_RENAMED)
        with site.session_on_winning() as winning:
            writes.wait_until_writable(winning, deadline=site.limits.write_outage)
            fence.hand_over(winning)
        site.timeline.mark(Moment.OPEN)
        site.forget(site.find_losing(), [journal.FENCE_BEFORE, journal.LOCKED_BEFORE])


@dataclass(frozen=True)
class InPlace:
    """Leave the names alone: open the winning instance where it stands, and point applications at it.

    With a record we change that; with a `swap` hook the user does; with neither, applications are the user's to move.
    """

    record: Record | None = None
    renames: bool = False

    def moves(self, site: Site) -> list[str]:
        """Opening, and what points applications there."""
        winning = site.winning().identifier
        if self.record is not None:
            how = f"point {self.record.name} at {winning}"
        elif site.hooks.swap:
            how = f"run `{site.hooks.swap[0]}`, which moves the applications"
        else:
            how = f"hand {winning} over: moving the applications is yours"
        return [
            f"open {winning} where it stands",
            how,
            f"end the sessions that hang on to {site.losing().identifier}",
        ]

    def fence_group(self, site: Site) -> str:
        """The group that the losing instance runs with."""
        return site.losing().parameter_group

    def address_afterwards(self, site: Site) -> Endpoint:
        """Where it is."""
        return endpoint_of(site.winning())

    def move(self, site: Site) -> None:
        """Open the winning instance, move the applications, and end the sessions that hang on to the losing one."""
        winning = site.winning()
        self._unfence(site, winning.parameter_group)
        # Moved before the parameter has taken effect: resolvers keep the old answer for a while anyway.
        if self.record is not None:
            site.progress(f"pointing {self.record.name} at {winning.identifier}")
            records.point(site.aws, self.record.zone, self.record.name, endpoint_of(winning).host)
        elif site.hooks.swap:
            hooks.run(site, "swap", site.hooks.swap)
        with site.access.session(winning) as opening:
            writes.wait_until_writable(opening, deadline=site.limits.write_outage)
        site.timeline.mark(Moment.OPEN)
        self._end_sessions(site)
        site.timeline.mark(Moment.APPLICATIONS_MOVED)
        with site.not_needed(f"parameter group {winning.parameter_group} keeps STRICT for replication"):
            exec_mode.put_back(site.groups, winning.parameter_group, site.source_group)

    def _end_sessions(self, site: Site) -> None:
        """Pools that hang on to the losing instance would go on failing there; one that is away has ended them."""
        found = site.find_losing()
        if found is None or not found.available:
            site.warn(
                f"{site.course.losing_name if found is None else found.identifier} does not run, so it has no sessions to be ended"
            )
            return
        with (
            site.not_needed(f"sessions may hang on to {found.identifier}"),
            site.access.session(found) as left,
        ):
            writes.end_application_sessions(left)

    def _unfence(self, site: Site, group: str) -> None:
        """Let the winning instance be written to, and its events fire, as its owner has it."""
        fenced_before = ParameterGroupFence(site.instances, site.groups, site.course.winning_id, group)
        if not fenced_before.put_back():
            # A clone of the owner's group that was held from the start: `read_only` is off by the engine's default.
            site.groups.reset_now(group, ["read_only"])
            scheduler = site.groups.user_values(site.source_group).get("event_scheduler")
            if scheduler is None:
                site.groups.reset_now(group, ["event_scheduler"])
            else:
                site.groups.set_now(group, {"event_scheduler": scheduler[0]})
