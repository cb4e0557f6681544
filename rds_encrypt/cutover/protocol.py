"""The cutover, move by move. Until the point of no return a failure undoes everything; from then on the cutover rolls forward.

After that point production comes first: rds-encrypt opens it, enables its events, and notes that. What it does not need follows
(the reverse channel, tags, the instance that lost the name), and failures there are reported at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from rds_encrypt.access import endpoint_of
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired, OutcomeUnknown, Retryable, TimedOut
from rds_encrypt.core.waiting import stop_if_orphaned
from rds_encrypt.cutover import checks, due_events, hooks, release, snapshot_age
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.fence import Fence
from rds_encrypt.cutover.fences import fence_noted, fence_of
from rds_encrypt.cutover.former_primary import Unreachable, reach
from rds_encrypt.cutover.growth import match_owner_changes
from rds_encrypt.cutover.reverse_replication import open_reverse_replication
from rds_encrypt.cutover.stray_writes import stray_write
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import accounts, channel, events, lag, writes
from rds_encrypt.mysql.coordinates import Coordinates, current, wrote_since
from rds_encrypt.mysql.session import Credentials, Session
from rds_encrypt.state import state_of
from rds_encrypt.verification.differences import sentences
from rds_encrypt.verification.spot import spot_check

__all__ = ["Outcome", "clear", "follow_up", "run"]

_SPOT_CHECK = 1.0
"""Seconds of write outage that a last comparison of rows may take."""
_LOOK_FOR_EVENTS = 10.0
"""Seconds to ask the primary which events were enabled; the tag written before the fence serves as well."""

_ON_CANDIDATE = (Tag.PROMOTED_AT, Tag.SERVER, Tag.FENCE_NOTE, Tag.LOCKED_BEFORE, Tag.EVENTS)
"""What the candidate's tags note until the cutover is complete, or undone."""


@dataclass(frozen=True)
class Outcome:
    """The result of a cutover.

    Attributes:
        server_uuid: the server that answers at the name now.
        final: the primary's coordinates that the candidate had executed when it was promoted.
        unenabled_events: events that only their definer may enable.
        accepted: failed checks that the config accepts, with what they saw and why they are accepted.
        rollback_path: ``open``, or that it is lost or not confirmed, and why.
        warnings: the failures in what production does not need, as sentences.
    """

    server_uuid: str
    final: str
    unenabled_events: tuple[str, ...]
    accepted: tuple[str, ...]
    rollback_path: str = "open"
    warnings: tuple[str, ...] = ()


def run(context: CutoverContext) -> Outcome:
    """Give the name to the candidate, or leave everything as it was.

    Raises:
        ActionRequired: a check failed, or something changed meanwhile; before the names move, nothing stays half-done.
        TimedOut: the write-outage budget ran out before the names moved; everything is as before.
        BaseExceptionGroup: undoing failed too; both causes are in it.
    """
    accepted: tuple[str, ...] = ()
    state = state_of(encrypted=context.encrypted())
    if not context.direction.begun(state):
        with _undone_on_failure(context), _fresh_start(context) as (primary, candidate):
            accepted = _permission(context, primary, candidate)
            account = _account_for_reverse_replication(context, primary, candidate)
            _note_due_events(context, primary, candidate)
            started = time.monotonic()
            fence = fence_of(context)
            final = _close(context, fence, primary)
            _drain(context, primary, candidate, final)
            _check(context, primary, candidate)
            _promote(context, fence, primary, candidate, final)
            _prepare_reverse_replication(context, primary, candidate, account)
            _require_within_budget(context, time.monotonic() - started)
            # After a second Ctrl-C, or without a terminal, undoing is better than stopping half-way.
            stop_if_orphaned("the names to move")
            # Another run, begun after a `pulumi cancel` that left this one alive, may have lifted the fence.
            _require_held(context, fence, primary, final)
            _begin(context)
    # ── point of no return: from here on, running again rolls forward ──
    noted = context.direction.noted(state)
    if not noted:
        context.strategy.move(context)
    return _confirm(context, accepted, noted=noted)


def _permission(context: CutoverContext, primary: Session, candidate: Session) -> tuple[str, ...]:
    """Run the checks, wait for the operator if it is postponed, run them again, watch the lag, and let your hook veto."""
    accepted = checks.require_passed(context, primary, candidate)
    if context.settings.postpone:
        hooks.wait_for_release(context, lambda: checks.require_passed(context, primary, candidate))
        accepted = checks.require_passed(context, primary, candidate)
    checks.require_steady(context, primary, candidate)
    hooks.run(context, "before")
    return accepted


def _account_for_reverse_replication(
    context: CutoverContext, primary: Session, candidate: Session
) -> Credentials | None:
    """Create the account before the fence closes: the candidate can only get it by replication."""
    if context.snapshot_coordinates is not None:
        return None
    account = accounts.issue(primary, context.direction.reverse_user)
    lag.drain(candidate, current(primary), deadline=context.settings.max_write_outage)
    return account


def _note_due_events(context: CutoverContext, primary: Session, candidate: Session) -> None:
    """Note which events to enable: the primary may be gone by then."""
    due = due_events.note(primary, candidate)
    if due:
        context.instances.tag(context.direction.candidate_id, due)
    else:
        context.instances.untag(context.candidate(), [Tag.EVENTS])


def _close(context: CutoverContext, fence: Fence, primary: Session) -> Coordinates:
    context.progress("closing the fence")
    context.timeline.mark(Moment.FENCE_REQUESTED)
    fence.apply(primary, deadline=context.settings.max_write_outage / 2)
    writes.require_settled(primary)
    context.timeline.mark(Moment.FENCED)
    return writes.settled_coordinates(primary)


def _drain(context: CutoverContext, primary: Session, candidate: Session, final: Coordinates) -> None:
    context.progress(f"draining to {final}")
    if context.snapshot_coordinates is None:
        lag.drain(candidate, final, deadline=context.settings.max_write_outage / 2)
    else:
        snapshot_age.require_current(context, primary)
    context.timeline.mark(Moment.DRAINED)


def _check(context: CutoverContext, primary: Session, candidate: Session) -> None:
    """Compare the last rows, for a second at most: a verification of hours ago could not see them."""
    if context.verify.level == "off":
        return
    context.progress("comparing the last rows")
    comparison = spot_check(primary, candidate, seconds=_SPOT_CHECK)
    if comparison.differences:
        raise ActionRequired(
            f"the last writes differ: {'; '.join(sentences(comparison.differences))}",
            where=context.candidate().identifier,
            fix="Run `pulumi destroy` in phase `replicate` and start over, or find out who wrote there",
            safe=context.undone,
        )
    context.timeline.mark(Moment.CHECKED)


def _promote(
    context: CutoverContext, fence: Fence, primary: Session, candidate: Session, final: Coordinates
) -> None:
    """Note the candidate's coordinates, and confirm that the fence has held: nothing more will come through its channel.

    The channel itself is reset later, where that costs no outage. Until the names move, it keeps running.
    """
    context.progress("promoting")
    server = str(candidate.value("SELECT @@server_uuid"))
    primary_tags = context.primary().tags
    tags = {
        Tag.PROMOTED_AT: str(final),
        Tag.SERVER: server,
        **fence.note(primary_tags),
        **_owner_retention(context, primary_tags),
    }
    context.instances.tag(context.direction.candidate_id, tags)
    _require_held(context, fence, primary, final)
    context.timeline.mark(Moment.PROMOTED)


def _require_held(context: CutoverContext, fence: Fence, primary: Session, final: Coordinates) -> None:
    """Require that nobody has written since the fence closed, and that it is still closed."""
    if wrote_since(primary, final) or not fence.holds(primary):
        raise ActionRequired(
            f"applications wrote to {context.names.source} despite the fence, or could have",
            where=context.names.source,
            fix="Find the account that the fence does not stop, or the other run that lifted it, then run `pulumi up` again",
        )


def _owner_retention(context: CutoverContext, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the owner's binlog retention on the source, for the encrypted instance, which outlives it."""
    before = tags.get(Tag.RETENTION_BEFORE) if context.direction.forward else None
    return {} if before is None else {Tag.RETENTION_BEFORE: before}


def _prepare_reverse_replication(
    context: CutoverContext, primary: Session, candidate: Session, account: Credentials | None
) -> None:
    """Point the primary at the candidate's future address, from the first change that the candidate will make.

    It is not started here: until a name has moved, that address is the primary's own.
    """
    if account is None:
        return
    channel.attach(
        primary, context.strategy.address_afterwards(context), account, writes.settled_coordinates(candidate)
    )


def _require_within_budget(context: CutoverContext, spent: float) -> None:
    if spent > context.settings.max_write_outage:
        raise TimedOut(
            f"fence, drain and promotion took {spent:.0f} s, more than the {context.settings.max_write_outage} s allowed",
            where=context.names.source,
            fix="Raise `cutover.maxWriteOutage`, or wait for quieter hours",
            safe=context.undone,
        )


def _begin(context: CutoverContext) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    noted: dict[str, str] = {context.direction.point: now, Tag.STRATEGY: context.strategy.name}
    context.instances.tag(context.direction.encrypted_id, noted)
    context.timeline.mark(Moment.CUTOVER_BEGAN)


def _confirm(context: CutoverContext, accepted: tuple[str, ...], *, noted: bool) -> Outcome:
    """Confirm that production is open, complete the cutover, note that, and do what production does not need.

    Once that is noted, events and settings belong to their owner again: another run does not touch them.
    """
    context.progress("confirming")
    unenabled: tuple[str, ...] = ()
    diverged = ""
    with ExitStack() as stack:
        opened = stack.enter_context(context.session_on_candidate())
        if writes.refused(opened):
            raise ActionRequired(
                "it carries production now, but is still read-only",
                where=context.candidate().identifier,
                fix=f"Set read_only to its former value in parameter group {context.candidate().parameter_group}",
                safe="No write is lost",
            )
        context.timeline.mark(Moment.OPEN)
        uuid = str(opened.value("SELECT @@server_uuid"))
        if not noted:
            left = reach(context, stack, deadline=_LOOK_FOR_EVENTS)
            unenabled = _settle_events(context, opened, left)
            match_owner_changes(context)
            diverged = stray_write(context, left)
    final = _complete(context)
    path = follow_up(context, diverged)
    with context.not_needed("hook `after` did not succeed"):
        hooks.run(context, "after")
    if context.aside.again is not None:
        raise context.aside.again
    return Outcome(uuid, final, unenabled, accepted, path, tuple(context.aside.warnings))


def follow_up(context: CutoverContext, diverged: str = "") -> str:
    """Do what production does not need, once the cutover is complete; return the state of the rollback path."""
    with (
        context.not_needed("production's replication channel could not be reset"),
        context.session_on_candidate() as opened,
    ):
        release.reset(opened)
    return open_reverse_replication(context, diverged)


def _settle_events(context: CutoverContext, opened: Session, left: Session | Unreachable) -> tuple[str, ...]:
    """Give events the status that they had; return those whose definer we may not set."""
    on_primary = None
    if not isinstance(left, Unreachable):
        with suppress(Retryable, OutcomeUnknown):  # unreachable again
            on_primary = events.inventory(left)
    if on_primary is not None:
        return due_events.settle(opened, on_primary)
    try:
        return due_events.settle_as_noted(opened, context.candidate().tags.get(Tag.EVENTS))
    except ActionRequired as error:
        context.warn(str(error))
        return ()


def _complete(context: CutoverContext) -> str:
    """Note that it is complete, and return the noted final coordinates."""
    direction, instances = context.direction, _both(context)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    context.note(instances.get(direction.encrypted_id), {direction.marked: now})
    return _clear(context, instances)


def clear(context: CutoverContext) -> str:
    """Remove the tags that a complete cutover no longer needs; return the final coordinates that they noted."""
    return _clear(context, _both(context))


def _both(context: CutoverContext) -> Mapping[str, Instance]:
    return context.instances.find_several([context.direction.primary_id, context.direction.candidate_id])


def _clear(context: CutoverContext, instances: Mapping[str, Instance]) -> str:
    direction = context.direction
    candidate = instances.get(direction.candidate_id)
    context.forget(candidate, [*_ON_CANDIDATE, Tag.FENCE_BEFORE, Tag.COORDINATES])
    for resource_id in (direction.primary_id, direction.candidate_id):
        context.forget(instances.get(resource_id), direction.cleared)
    return candidate.tags.get(Tag.PROMOTED_AT, "") if candidate is not None else ""


@contextmanager
def _fresh_start(context: CutoverContext) -> Iterator[tuple[Session, Session]]:
    """Undo what an interrupted attempt left behind, then open the sessions for this one."""
    _undo(context, fence_noted)
    with context.sessions() as sessions:
        yield sessions


def _undo(context: CutoverContext, fence_there: Callable[[CutoverContext], Fence] = fence_of) -> None:
    """Undo what an attempt did before the names moved; do nothing if there was none.

    Production comes first and needs only itself: the other instance may be what failed.
    """
    if context.snapshot_coordinates is not None:
        return
    # If they stayed, the next run would act as if the names had begun to move.
    context.instances.untag(context.direction.encrypted_id, context.direction.stale, unseen=True)
    context.instances.untag(context.direction.candidate_id, [Tag.EVENTS])
    fence = fence_there(context)
    closed = fence.put_back()  # by AWS's API alone: it takes effect even if MySQL is only just coming back
    with context.access.session(context.primary(), patience=context.settings.max_write_outage) as primary:
        if closed:
            fence.reopen(primary)
        context.timeline.mark(Moment.FENCE_LIFTED)
        # A channel of ours on the primary is the rollback path, prepared but not used.
        reverse = channel.status(primary)
        if reverse is not None and reverse.ours:
            channel.detach(primary)
    _follow_again(context)


def _follow_again(context: CutoverContext) -> None:
    """Make a promoted instance follow again: it is still at its promotion coordinates, since it refused writes."""
    direction = context.direction
    noted = context.candidate().tags.get(Tag.PROMOTED_AT)
    if noted is None:
        return
    patience = context.settings.max_write_outage
    with (
        context.access.session(context.primary(), patience=patience) as primary,
        context.access.session(context.candidate(), patience=patience) as candidate,
    ):
        if channel.status(candidate) is None:
            account = accounts.issue(primary, direction.following_user)
            channel.attach(candidate, endpoint_of(context.primary()), account, Coordinates.parse(noted))
        channel.start(candidate)
        lag.catch_up(primary, candidate, deadline=context.deadlines.rename, progress=context.progress)
    noted_on_encrypted = [Tag.RETENTION_BEFORE] if direction.forward else []
    context.instances.untag(direction.candidate_id, [*_ON_CANDIDATE, *noted_on_encrypted])


@contextmanager
def _undone_on_failure(context: CutoverContext) -> Iterator[None]:
    """Lift the fence and follow again if anything fails.

    In method ``offline`` the fence stays: a single write would make the copy worthless, and the downtime is planned.
    """
    try:
        yield
    except BaseException as cause:
        if context.snapshot_coordinates is not None:
            raise
        context.progress("undoing")
        try:
            _undo(context)
        except Exception as failure:  # noqa: BLE001 - both causes are raised, of any type
            raise BaseExceptionGroup(
                f"the {context.direction.verb} failed, and so did undoing it; if the fence is closed, {context.names.source} refuses writes until"
                " you run `pulumi up` again in this phase",
                [cause, failure],
            ) from cause
        raise
