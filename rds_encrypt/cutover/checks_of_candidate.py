"""Checks of the candidate: whether it holds what the primary holds, and can take over."""

from __future__ import annotations

from rds_encrypt.check import Finding, failed, passed
from rds_encrypt.core.words import about
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.durability import less_durable
from rds_encrypt.mysql import channel, events, lag, retention, writes
from rds_encrypt.mysql.replica_status import filters
from rds_encrypt.mysql.session import Session
from rds_encrypt.parallel_appliers import applier_reduced
from rds_encrypt.state import state_of
from rds_encrypt.temporary_parameters import variables
from rds_encrypt.verified import verified

__all__ = [
    "candidate_binlog_retention",
    "candidate_durable",
    "candidate_read_only",
    "events_and_triggers",
    "no_replication_filters",
    "replication_lag",
    "verification_fresh",
]

_APPLIERS = ("replica_parallel_workers", "slave_parallel_workers")


def replication_lag(context: CutoverContext, primary: Session, candidate: Session) -> Finding:
    """The candidate replicates and is close behind; skipped in method ``offline``."""
    if context.snapshot_coordinates is not None:
        return passed(f"nothing replicates; the snapshot was taken at {context.snapshot_coordinates}")
    if channel.status(candidate) is None:
        return failed(f"{context.candidate().identifier} follows no source")
    measured = lag.measure(primary, candidate)
    if not measured.status.running:
        return failed(f"replication to {context.candidate().identifier} is {measured.status}")
    behind = measured.status.seconds_behind
    near = behind is not None and behind <= context.settings.max_lag
    return (passed if near else failed)(f"{measured} (limit {context.settings.max_lag} s)")


def no_replication_filters(context: CutoverContext, _primary: Session, candidate: Session) -> Finding:
    """The candidate executes every change: what a filter leaves out is missing on both copies, so no verification finds it."""
    name = context.candidate().identifier
    if left_out := filters(candidate):
        return failed(
            f"{name} leaves out changes: {', '.join(left_out)}; remove these parameters from the source's group, then `pulumi destroy`"
            " and begin again"
        )
    return passed(f"{name} executes every change")


def verification_fresh(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """The data was compared, found equal, and not too long ago; skipped in method ``offline`` and for a rollback."""
    level, hours = context.verify.level, context.verify.max_age
    if context.snapshot_coordinates is not None:
        return passed("a snapshot of the fenced source has no replica to be compared with")
    if not context.direction.forward:
        return passed("not asked of a rollback")
    if level == "off":
        return passed("verification is off")
    verification = verified(context.primary().tags, context.direction.encrypted_id)
    if verification is None:
        return failed(f"{context.candidate().identifier} has not been verified, or not found equal")
    ago = f"{about(verification.age.total_seconds())} ago at level {verification.level}"
    required = f"(wanted: {level}, at most {hours} h old)"
    return (passed if verification.serves(level, hours) else failed)(f"verified {ago} {required}")


def candidate_read_only(context: CutoverContext, _primary: Session, candidate: Session) -> Finding:
    """Nobody can write to the candidate, and no event fires there."""
    name = context.candidate().identifier
    if not writes.refused(candidate):
        return failed(f"{name} accepts writes")
    scheduler = str(candidate.value("SELECT @@GLOBAL.event_scheduler"))
    # One that was production before may have it on: its events fail on read_only, as they should.
    fresh = context.direction.forward and not state_of(encrypted=context.encrypted()).rolled_back
    fires = fresh and scheduler == "ON"
    return (failed if fires else passed)(f"{name} refuses writes, event_scheduler is {scheduler}")


def candidate_durable(context: CutoverContext, _primary: Session, candidate: Session) -> Finding:
    """The candidate flushes commits as its owner's group says; it need not while it catches up."""
    name, group = context.candidate().identifier, context.source_group
    # Almost always there is nothing to ask the group about.
    left = less_durable(candidate, {}) and less_durable(candidate, context.groups.user_values(group))
    if left:
        return failed(f"{name} is less durable than parameter group {group} says: {', '.join(left)}")
    if reduced := _appliers_reduced(context, candidate):
        return failed(
            f"{name} has fewer appliers than parameter group {group} says: {', '.join(reduced)}; `pulumi up` in phase `replicate`"
            " puts that back",
        )
    return passed(f"{name} is as durable as parameter group {group} says")


def _appliers_reduced(context: CutoverContext, candidate: Session) -> list[str]:
    """Return what a verification that was killed has left; almost always there is nothing to ask the groups about."""
    mine = context.candidate().parameter_group
    if mine != context.names.encrypted:
        return []
    if any(int(value) > 1 for value in variables(candidate, *_APPLIERS).values()):
        return []
    return applier_reduced(
        candidate, context.groups.user_values(mine), context.groups.user_values(context.source_group)
    )


def events_and_triggers(_context: CutoverContext, primary: Session, candidate: Session) -> Finding:
    """Both have the same scheduled events and triggers, so that they fire on the candidate as on the primary."""
    here = {f"event {event.schema}.{event.name}" for event in events.inventory(primary)}
    here |= {f"trigger {trigger}" for trigger in events.triggers(primary)}
    there = {f"event {event.schema}.{event.name}" for event in events.inventory(candidate)}
    there |= {f"trigger {trigger}" for trigger in events.triggers(candidate)}
    if here != there:
        return failed(f"on one side only: {', '.join(sorted(here ^ there)[:5])}")
    return passed(f"the same {len(here)} events and triggers on both")


def candidate_binlog_retention(context: CutoverContext, _primary: Session, candidate: Session) -> Finding:
    """RDS keeps the binlogs of the instance that will carry production until the other one can follow it; not in method ``offline``."""
    name = context.candidate().identifier
    if context.snapshot_coordinates is not None:
        return passed("nothing is to follow it afterwards")
    if hours := retention.read(candidate):
        return passed(f"{name} keeps its binlogs for {hours} h")
    how = (
        "`pulumi refresh` and `pulumi up` in phase `replicate` set it"
        if context.direction.forward
        else "CALL mysql.rds_set_configuration('binlog retention hours', 24) there"
    )
    return failed(
        f"{name} purges its binlogs at once, and {context.primary().identifier} could not follow it: {how}",
    )
