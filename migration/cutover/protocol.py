"""The cut-over, move by move. Until the swap begins every failure undoes what was done; from then on it rolls forward.

After that point production comes first: it is opened, its events are enabled, and that is noted. What it does not need follows, and
what of that fails is told at the end: the reverse channel, tags, the instance that lost the name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from foundation.errors import NeedsHuman, OutcomeUnknown, Retryable, TimedOut
from foundation.waiting import stop_if_orphaned
from migration import journal
from migration.access import endpoint_of
from migration.cutover import due_events, guards, hooks, release
from migration.cutover.fence import Fence
from migration.cutover.fences import fence_noted, fence_of
from migration.cutover.growth import match_owner_changes
from migration.cutover.losing import Unreachable, reach
from migration.cutover.site import Site
from migration.cutover.timeline import Moment
from migration.cutover.way_back import open_way_back
from replication import accounts, channel, events, lag, writes
from replication.coordinates import Coordinates, current, wrote_since
from replication.session import Credentials, Session
from verification.differences import sentences
from verification.spot import spot_check

__all__ = ["Outcome", "follow_up", "swap"]

_SPOT_CHECK = 1.0
"""Seconds of write outage that a last comparison of rows may take."""
_LOOK_FOR_EVENTS = 10.0
"""Seconds to try to ask the losing instance which events were enabled; what was noted before the fence serves as well."""


@dataclass(frozen=True)
class Outcome:
    """What a swap found at its end.

    Attributes:
        server_uuid: who answers at the name now.
        final: the losing instance's coordinates that the winning one had executed when it was promoted.
        unenabled_events: events that only their definer may enable.
        forced: guards that were red and overruled, with what they saw.
        rollback_path: ``open``, or that it is lost or not confirmed, and why.
        warnings: what could not be done and production does not need, as sentences.
    """

    server_uuid: str
    final: str
    unenabled_events: tuple[str, ...]
    forced: tuple[str, ...]
    rollback_path: str = "open"
    warnings: tuple[str, ...] = ()


def swap(site: Site) -> Outcome:
    """Give the name to the winning instance, or leave everything as it was.

    Raises:
        NeedsHuman: a guard is red, or the world changed under our hands; nothing is half-done before the names move.
        TimedOut: the write-outage budget ran out before the names moved; everything is as before.
        BaseExceptionGroup: undoing failed too; both causes are in it.
    """
    forced: tuple[str, ...] = ()
    tags = site.encrypted().tags
    if not site.course.begun(tags):
        with _undone_on_failure(site), _fresh_start(site) as (losing, winning):
            forced = _permission(site, losing, winning)
            account = _account_for_the_way_back(site, losing, winning)
            _note_due_events(site, losing, winning)
            started = time.monotonic()
            fence = fence_of(site)
            final = _close(site, fence, losing)
            _drain(site, losing, winning, final)
            _check(site, losing, winning)
            _promote(site, fence, losing, winning, final)
            _prepare_way_back(site, losing, winning, account)
            _require_within_budget(site, time.monotonic() - started)
            # Whoever pressed Ctrl-C twice, or whose terminal went away, had better find it undone than half-way.
            stop_if_orphaned("the names to move")
            _begin(site)
    # ── point of no return: from here on, running again rolls forward ──
    noted = site.course.noted(tags)
    if not noted:
        site.strategy.move(site)
    return _confirm(site, forced, noted=noted)


def _permission(site: Site, losing: Session, winning: Session) -> tuple[str, ...]:
    """Ask the guards, wait for the operator if it is postponed, ask again, watch the lag, and let the user's hook veto."""
    forced = guards.require_green(site, losing, winning)
    if site.postponed:
        hooks.wait_for_release(site, lambda: guards.require_green(site, losing, winning))
        forced = guards.require_green(site, losing, winning)
    guards.require_steady(site, losing, winning)
    if site.hooks.before:
        hooks.run(site, "before", site.hooks.before)
    return forced


def _account_for_the_way_back(site: Site, losing: Session, winning: Session) -> Credentials | None:
    """Make the account before the fence closes: the winning instance can only get it by replication."""
    if site.snapshot_coordinates is not None:
        return None
    account = accounts.issue(losing, site.course.reverse_user)
    lag.drain(winning, current(losing), deadline=site.limits.write_outage)
    return account


def _note_due_events(site: Site, losing: Session, winning: Session) -> None:
    """Note which events are to be enabled: the losing instance may be gone by then."""
    due = due_events.note(losing, winning)
    if due:
        site.instances.tag(site.course.winning_id, due)
    else:
        site.instances.untag(site.winning(), [journal.EVENTS])


def _close(site: Site, fence: Fence, losing: Session) -> Coordinates:
    site.progress("closing the fence")
    site.timeline.mark(Moment.FENCE_REQUESTED)
    fence.apply(losing, deadline=site.limits.write_outage / 2)
    writes.require_settled(losing)
    site.timeline.mark(Moment.FENCED)
    return writes.stand_still(losing)


def _drain(site: Site, losing: Session, winning: Session, final: Coordinates) -> None:
    site.progress(f"draining to {final}")
    if site.snapshot_coordinates is None:
        lag.drain(winning, final, deadline=site.limits.write_outage / 2)
    elif wrote_since(losing, site.snapshot_coordinates):
        raise NeedsHuman(
            f"the source was written to after its snapshot was taken at {site.snapshot_coordinates}",
            where=site.names.source,
            fix="Something wrote past the fence: destroy the stack and start over",
        )
    site.timeline.mark(Moment.DRAINED)


def _check(site: Site, losing: Session, winning: Session) -> None:
    """Compare the last rows, for a second at most: a look at what a verification of hours ago could not see."""
    if site.limits.verify == "off":
        return
    site.progress("comparing the last rows")
    seen = spot_check(losing, winning, seconds=_SPOT_CHECK)
    if seen.differences:
        raise NeedsHuman(
            f"the last writes are not the same on both: {'; '.join(sentences(seen.differences))}",
            where=site.winning().identifier,
            fix="Destroy the stack in phase `replicate` and start over, or find out who wrote there",
            safe="The fence is lifted and replication goes on",
        )
    site.timeline.mark(Moment.CHECKED)


def _promote(site: Site, fence: Fence, losing: Session, winning: Session, final: Coordinates) -> None:
    """Note where the winning instance stands, and that the fence has held: nothing will come through its channel any more.

    The channel itself is reset later, where nobody waits for it. Until the names move, it goes on as if nothing had happened.
    """
    site.progress("promoting")
    server = str(winning.value("SELECT @@server_uuid"))
    seen = site.losing().tags
    tags = {
        journal.PROMOTED_AT: str(final),
        journal.SERVER: server,
        **fence.note(seen),
        **_owner_retention(site, seen),
    }
    site.instances.tag(site.course.winning_id, tags)
    if wrote_since(losing, final) or not fence.holds(losing):
        raise NeedsHuman(
            f"{site.names.source} was written to behind the fence",
            where=site.names.source,
            fix="Find the account that the fence does not stop, then run `pulumi up` again",
        )
    site.timeline.mark(Moment.PROMOTED)


def _owner_retention(site: Site, tags: Mapping[str, str]) -> dict[str, str]:
    """Return what the owner had as binlog retention on the source, for the encrypted instance, which outlives it."""
    before = tags.get(journal.RETENTION_BEFORE)
    if before is None or site.course.winning_id != site.course.encrypted_id:
        return {}
    return {journal.RETENTION_BEFORE: before}


def _prepare_way_back(site: Site, losing: Session, winning: Session, account: Credentials | None) -> None:
    """Point the losing instance at where the winning one will be, from the first change that that will make.

    Not started here: until a name has moved, its address is the losing instance's own.
    """
    if account is None:
        return
    channel.attach(losing, site.strategy.address_afterwards(site), account, writes.stand_still(winning))


def _require_within_budget(site: Site, spent: float) -> None:
    if spent > site.limits.write_outage:
        raise TimedOut(
            f"fence, drain and promotion took {spent:.0f} s, more than the {site.limits.write_outage:.0f} s allowed",
            where=site.names.source,
            fix="Raise `cutover.maxWriteOutage`, or wait for quieter hours",
            safe="The fence is lifted and replication goes on",
        )


def _begin(site: Site) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    site.instances.tag(site.course.encrypted_id, {site.course.point: now})
    site.timeline.mark(Moment.SWAP_BEGAN)


def _confirm(site: Site, forced: tuple[str, ...], *, noted: bool) -> Outcome:
    """See that production is open, complete it, note that, and do what it does not need.

    Once it is noted, events and settings are their owner's again: another run does not touch them.
    """
    site.progress("confirming")
    unenabled: tuple[str, ...] = ()
    with ExitStack() as stack:
        opened = stack.enter_context(site.session_on_winning())
        if writes.refused(opened):
            raise NeedsHuman(
                f"`{site.names.source}` has moved, but is still read-only",
                where=site.names.source,
                fix=f"Set read_only to its former value in parameter group {site.winning().parameter_group}",
                safe="No write is lost",
            )
        site.timeline.mark(Moment.OPEN)
        uuid = str(opened.value("SELECT @@server_uuid"))
        if not noted:
            left = reach(site, stack, deadline=_LOOK_FOR_EVENTS)
            unenabled = _settle_events(site, opened, None if isinstance(left, Unreachable) else left)
            match_owner_changes(site)
    final = _complete(site)
    path = follow_up(site)
    if site.hooks.after:
        with site.not_needed("what the hook `after` is for has not happened"):
            hooks.run(site, "after", site.hooks.after)
    if site.aside.again is not None:
        raise site.aside.again
    return Outcome(uuid, final, unenabled, forced, path, tuple(site.aside.warnings))


def follow_up(site: Site) -> str:
    """Do what production does not need, once it is complete; return what the rollback path is."""
    with (
        site.not_needed(f"the channel of {site.names.source} is not reset"),
        site.session_on_winning() as opened,
    ):
        release.reset(opened)
    return open_way_back(site)


def _settle_events(site: Site, opened: Session, left: Session | None) -> tuple[str, ...]:
    """Give events the status that they had; return those whose definer we may not set."""
    wanted = None
    if left is not None:
        with suppress(Retryable, OutcomeUnknown):  # away again
            wanted = events.inventory(left)
    if wanted is not None:
        return due_events.settle(opened, wanted)
    return due_events.settle_as_noted(opened, site.winning().tags.get(journal.EVENTS))


def _complete(site: Site) -> str:
    """Note that it is complete, take off what no one needs any more, and return the final coordinates that were noted."""
    course = site.course
    found = site.instances.find_several([course.losing_id, course.winning_id])
    encrypted, winning = found.get(course.encrypted_id), found.get(course.winning_id)
    site.note(encrypted, {course.marked: datetime.now(UTC).isoformat(timespec="seconds")})
    site.forget(
        winning,
        [
            journal.PROMOTED_AT,
            journal.SERVER,
            journal.FENCE_BEFORE,
            journal.FENCE_NOTE,
            journal.LOCKED_BEFORE,
            journal.EVENTS,
        ],
    )
    for resource_id in dict.fromkeys((course.encrypted_id, course.losing_id)):
        site.forget(found.get(resource_id), course.cleared)
    return winning.tags.get(journal.PROMOTED_AT, "") if winning is not None else ""


@contextmanager
def _fresh_start(site: Site) -> Iterator[tuple[Session, Session]]:
    """Undo what an interrupted attempt left behind, then open the sessions for this one."""
    _undo(site, fence_noted)
    with site.sessions() as sessions:
        yield sessions


def _undo(site: Site, fence_there: Callable[[Site], Fence] = fence_of) -> None:
    """Put back what an attempt did before the names moved; does nothing after none.

    Production comes first and needs nobody else: the other instance may be what failed.
    """
    if site.snapshot_coordinates is not None:
        return
    site.instances.untag(site.course.encrypted_id, site.course.stale)
    site.instances.untag(site.course.winning_id, [journal.EVENTS])
    fence = fence_there(site)
    closed = fence.put_back()  # by AWS's API alone: it takes effect even if MySQL is only just coming back
    with site.access.session(site.losing(), patience=site.limits.write_outage) as losing:
        if closed:
            fence.reopen(losing)
        site.timeline.mark(Moment.FENCE_LIFTED)
        # A channel of ours on the losing instance is the way back, prepared and not taken.
        way_back = channel.status(losing)
        if way_back is not None and way_back.ours:
            channel.detach(losing)
    _follow_again(site)


def _follow_again(site: Site) -> None:
    """Let a promoted instance follow again: it stands exactly where it was promoted, since nobody could write to it."""
    course = site.course
    noted = site.winning().tags.get(journal.PROMOTED_AT)
    if noted is None:
        return
    patience = site.limits.write_outage
    with (
        site.access.session(site.losing(), patience=patience) as losing,
        site.access.session(site.winning(), patience=patience) as winning,
    ):
        if channel.status(winning) is None:
            account = accounts.issue(losing, course.following_user)
            channel.attach(winning, endpoint_of(site.losing()), account, Coordinates.parse(noted))
        channel.start(winning)
        lag.catch_up(losing, winning, deadline=site.limits.rename, progress=site.progress)
    noted_on_encrypted = [journal.RETENTION_BEFORE] if course.winning_id == course.encrypted_id else []
    site.instances.untag(
        course.winning_id,
        [
            journal.PROMOTED_AT,
            journal.SERVER,
            journal.FENCE_NOTE,
            journal.LOCKED_BEFORE,
            journal.EVENTS,
            *noted_on_encrypted,
        ],
    )


@contextmanager
def _undone_on_failure(site: Site) -> Iterator[None]:
    """Lift the fence and follow again if anything fails.

    In mode ``snapshot`` the fence stays: a single write would make the copy worthless, and downtime was agreed to.
    """
    try:
        yield
    except BaseException as cause:
        if site.snapshot_coordinates is not None:
            raise
        site.progress("undoing")
        try:
            _undo(site)
        except Exception as failure:  # noqa: BLE001 - both causes are raised, whatever they are
            raise BaseExceptionGroup(
                f"the {site.course.verb} failed, and so did undoing it; if the fence is closed, {site.names.source} refuses writes until"
                " `pulumi up` is run again in this phase",
                [cause, failure],
            ) from cause
        raise
