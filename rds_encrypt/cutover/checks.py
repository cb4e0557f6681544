"""The checks: what must hold before the fence may close. Each looks, and says in a clause what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from rds_encrypt import journal
from rds_encrypt.aws import dns_records, metrics
from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover import account_fence, growth
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.fence import ParameterGroupFence, group_cannot
from rds_encrypt.cutover.fences import fence_of
from rds_encrypt.cutover.timeline import CheckResult
from rds_encrypt.durability import less_durable
from rds_encrypt.mysql import channel, events, lag, retention, writes
from rds_encrypt.mysql.session import Session
from rds_encrypt.parallel_appliers import applier_reduced
from rds_encrypt.settings_diff import differences
from rds_encrypt.temporary_parameters import variables
from rds_encrypt.verified import verified

__all__ = [
    "CHECKS",
    "FREE_PERCENT",
    "Reading",
    "minutes_until_backup",
    "minutes_until_maintenance",
    "read",
    "require_passed",
    "require_steady",
]


_DAY = 24 * 60
_WINDOW_MARGIN = 30
"""Minutes before a maintenance or backup window in which a cutover had better not begin."""
FREE_PERCENT = 5
"""Of an instance's storage: with less, RDS is about to stop it as `storage-full`."""
_APPLY = 60.0
"""Seconds for RDS to bring changed parameters to an instance."""
_LOOK = 0.5
"""Seconds between two looks at a lag that is to be steady."""
_APPLIERS = ("replica_parallel_workers", "slave_parallel_workers")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Reading:
    """What a check saw, in a clause, and whether that is as it should be."""

    passed: bool
    saw: str


Check = Callable[[CutoverContext, Session, Session], Reading]


def instances_available(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """Both instances are available, nothing is pending on them, and their groups are in effect."""
    for instance in (context.primary(), context.candidate()):
        if not instance.available:
            return Reading(False, f"{instance.identifier} is {instance.status}")
        if pending := instance.description.get("PendingModifiedValues"):
            return Reading(False, f"{instance.identifier} has pending modifications ({', '.join(pending)})")
        if waiting := instance.groups_not_in_sync:
            return Reading(False, f"{instance.identifier} runs without {', '.join(waiting)} in effect")
    return Reading(True, "both instances are available, nothing is pending")


def fence_possible(context: CutoverContext, primary: Session, _candidate: Session) -> Reading:
    """The parameter group can carry the fence, or else accounts can be locked."""
    instance, group = context.primary(), context.strategy.fence_group(context)
    if instance.parameter_group != group:
        return Reading(False, f"{instance.identifier} does not run with parameter group {group}")
    reason = group_cannot(context.aws, group, instance, context.candidate())
    if reason is None:
        return Reading(True, f"read_only can be set in parameter group {group}")
    if not context.strategy.renames:
        return Reading(False, f"{reason}, and only strategy `rename` can do without")
    if trouble := account_fence.obstacle(primary):
        return Reading(False, f"{reason}, so accounts are to be locked, but {trouble}")
    return Reading(True, f"{reason}, so accounts will be locked")


def no_fence_bypass(context: CutoverContext, primary: Session, _candidate: Session) -> Reading:
    """No account may write in spite of `read_only`; one that is locked has no say."""
    if not isinstance(fence_of(context), ParameterGroupFence):
        return Reading(True, "all accounts will be locked")
    accounts = writes.unfenceable_accounts(primary)
    if accounts:
        return Reading(False, f"read_only does not stop {', '.join(accounts)}")
    return Reading(True, "read_only stops every account")


def no_prepared_xa(_site: CutoverContext, primary: Session, _candidate: Session) -> Reading:
    """No XA transaction waits for its COMMIT, which would pass `read_only`."""
    count = writes.prepared_transactions(primary)
    return Reading(
        count == 0,
        f"{count} prepared (XA) transactions wait for their COMMIT" if count else "none is prepared",
    )


def primary_writable(context: CutoverContext, primary: Session, _candidate: Session) -> Reading:
    """Our account may do on the primary what will prove that the candidate is open; not in method ``offline``."""
    if context.snapshot_coordinates is not None:
        return Reading(True, "fenced since before its snapshot")
    if writes.refused(primary):
        return Reading(False, f"{context.primary().identifier} refuses writes, and not because of us")
    return Reading(True, "a write by our account is accepted")


def no_long_transaction(context: CutoverContext, primary: Session, _candidate: Session) -> Reading:
    """No transaction has been open for long where the writes are."""
    limit = context.limits.long_transaction
    found = writes.long_transactions(primary, limit)
    if found:
        return Reading(False, f"sessions have had a transaction open for long: {', '.join(found)}")
    return Reading(True, f"no transaction is older than {limit} s")


def no_running_ddl(_site: CutoverContext, primary: Session, _candidate: Session) -> Reading:
    """No ALTER or the like runs, or waits for a lock that would make every writer wait with it."""
    found = writes.definition_changes(primary, 1)
    if found:
        return Reading(False, f"sessions are changing definitions: {', '.join(found)}")
    return Reading(True, "nobody changes a table's definition")


def replication_lag(context: CutoverContext, primary: Session, candidate: Session) -> Reading:
    """The candidate replicates and is close behind; not asked in method ``offline``."""
    if context.snapshot_coordinates is not None:
        return Reading(True, f"nothing replicates; the snapshot was taken at {context.snapshot_coordinates}")
    if channel.status(candidate) is None:
        return Reading(False, f"{context.candidate().identifier} follows nobody")
    seen = lag.measure(primary, candidate)
    if not seen.status.running:
        return Reading(False, f"replication to {context.candidate().identifier} is {seen.status}")
    behind = seen.status.seconds_behind
    return Reading(
        behind is not None and behind <= context.limits.lag, f"{seen} (limit {context.limits.lag} s)"
    )


def verification_fresh(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """The data was compared, found equal, and not too long ago; not asked in method ``offline``, nor of a rollback."""
    limit = context.limits.verification
    if context.snapshot_coordinates is not None:
        return Reading(True, "a snapshot of the fenced source has no replica to be compared with")
    if context.direction.candidate_id != context.direction.encrypted_id:
        return Reading(True, "not asked of a rollback")
    if limit is None:
        return Reading(True, "verification is off")
    found = verified(context.primary().tags, context.direction.encrypted_id)
    if found is None:
        return Reading(False, f"{context.candidate().identifier} has not been verified, or not found equal")
    ago = f"{found.age.total_seconds() / 3600:.1f} h ago in mode {found.level}"
    wanted = f"(wanted: {context.limits.verify}, at most {limit / 3600:.0f} h old)"
    return Reading(found.serves(context.limits.verify, limit / 3600), f"verified {ago} {wanted}")


def candidate_read_only(context: CutoverContext, _primary: Session, candidate: Session) -> Reading:
    """Nobody can write to the candidate, and no event fires there."""
    name = context.candidate().identifier
    if not writes.refused(candidate):
        return Reading(False, f"{name} accepts writes")
    scheduler = str(candidate.value("SELECT @@GLOBAL.event_scheduler"))
    # One that was production before may have it on: its events fail on read_only, as they should.
    fresh = (
        context.direction.candidate_id == context.direction.encrypted_id
        and journal.ROLLED_BACK not in context.encrypted().tags
    )
    return Reading(
        not (fresh and scheduler == "ON"), f"{name} refuses writes, event_scheduler is {scheduler}"
    )


def candidate_durable(context: CutoverContext, _primary: Session, candidate: Session) -> Reading:
    """The candidate flushes commits as its owner's group says; it need not while it catches up."""
    name, group = context.candidate().identifier, context.source_group
    # Almost always there is nothing to ask the group about.
    left = less_durable(candidate, {}) and less_durable(candidate, context.groups.user_values(group))
    if left:
        return Reading(False, f"{name} is less durable than parameter group {group} says: {', '.join(left)}")
    if reduced := _appliers_reduced(context, candidate):
        return Reading(
            False,
            f"{name} has fewer appliers than parameter group {group} says: {', '.join(reduced)}; `pulumi up` in phase `replicate`"
            " puts that back",
        )
    return Reading(True, f"{name} is as durable as parameter group {group} says")


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


def events_and_triggers(_site: CutoverContext, primary: Session, candidate: Session) -> Reading:
    """Both have the same scheduled events and triggers, so that they fire on the candidate as on the primary."""
    here = {f"event {event.schema}.{event.name}" for event in events.inventory(primary)}
    here |= {f"trigger {trigger}" for trigger in events.triggers(primary)}
    there = {f"event {event.schema}.{event.name}" for event in events.inventory(candidate)}
    there |= {f"trigger {trigger}" for trigger in events.triggers(candidate)}
    if here != there:
        return Reading(False, f"on one side only: {', '.join(sorted(here ^ there)[:5])}")
    return Reading(True, f"the same {len(here)} events and triggers on both")


def settings_match(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """Nobody has changed a setting of the primary that applications would miss after the cutover."""
    primary, candidate = context.primary(), context.candidate()
    unlike = differences(primary, candidate)
    later = {each.setting: growth.harmless(context, candidate, each) for each in unlike}
    if missing := [each for each in unlike if later[each.setting] is None]:
        how = (
            "; `pulumi up` in phase `replicate` gives it these settings"
            if context.direction.candidate_id == context.direction.encrypted_id
            else ""
        )
        return Reading(
            False,
            f"{candidate.identifier} is not like {primary.identifier}: {'; '.join(map(str, missing))}{how}",
        )
    if unlike:
        return Reading(True, "; ".join(filter(None, later.values())))
    return Reading(True, f"{candidate.identifier} has all settings of {primary.identifier}")


def candidate_binlog_retention(context: CutoverContext, _primary: Session, candidate: Session) -> Reading:
    """RDS keeps the binlogs of the instance that will carry production until the other one can follow it; not in method ``offline``."""
    name = context.candidate().identifier
    if context.snapshot_coordinates is not None:
        return Reading(True, "nothing is to follow it afterwards")
    if hours := retention.read(candidate):
        return Reading(True, f"{name} keeps its binlogs for {hours} h")
    how = (
        "`pulumi refresh` and `pulumi up` in phase `replicate` set it"
        if context.direction.candidate_id == context.direction.encrypted_id
        else "CALL mysql.rds_set_configuration('binlog retention hours', 24) there"
    )
    return Reading(
        False,
        f"{name} purges its binlogs at once, and {context.primary().identifier} could not follow it: {how}",
    )


def free_storage(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """Neither volume is nearly full, by CloudWatch's last figure: binlogs and relay logs grow while one side waits."""
    seen = []
    for instance in (context.primary(), context.candidate()):
        free = metrics.free_storage(context.aws, instance.identifier)
        if free is None:
            seen.append(f"no figure for {instance.identifier}")
            continue
        percent = 100 * free / (instance.allocated_gib * 2**30)
        seen.append(f"{instance.identifier} has {free / 2**30:.1f} GiB free ({percent:.0f} %)")
        if percent < FREE_PERCENT:
            return Reading(False, f"{seen[-1]}, less than {FREE_PERCENT} %")
    return Reading(True, "; ".join(seen))


def dns_record(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """In strategy ``dns``, the record that applications use points at the instance that is to lose them."""
    record = context.strategy.record
    if record is None:
        return Reading(True, "no record to change")
    target = dns_records.target(context.aws, record.zone, record.name)
    return Reading(target == context.primary().address, f"{record.name} points at {target}")


def volume_initialized(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """A restored volume has been loaded from its snapshot, so that the first hours after the cutover are not slow ones."""
    candidate = context.candidate()
    status = candidate.description.get("StorageOperationStatus")
    done = candidate.description.get("StorageOperationPercentProgress")
    if not status or status in {"completed", "none"} or done in (None, 100):
        return Reading(True, f"the storage of {candidate.identifier} is loaded, as far as RDS says")
    return Reading(False, f"the storage of {candidate.identifier} is {status} ({done} %)")


def maintenance_window(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """Neither instance has a maintenance window that is open or about to be."""
    now = datetime.now(UTC)
    nearest = 7 * 24 * 60
    for instance in (context.primary(), context.candidate()):
        window = str(instance.description.get("PreferredMaintenanceWindow") or "")
        minutes = minutes_until_maintenance(window, now) if window else nearest
        if minutes < _WINDOW_MARGIN:
            return Reading(
                False, f"the maintenance window of {instance.identifier} ({window}) is near or open"
            )
        nearest = min(nearest, minutes)
    return Reading(True, f"the next maintenance window opens in {nearest // 60} h")


def backup_window(context: CutoverContext, _primary: Session, _candidate: Session) -> Reading:
    """No automated backup runs or is about to: RDS accepts no rename of an instance while it is backed up.

    Source: "Viewing DB instance status" in the Amazon RDS User Guide (``backing-up``).
    """
    now = datetime.now(UTC)
    nearest = 24 * 60
    for instance in (context.primary(), context.candidate()):
        window = str(instance.description.get("PreferredBackupWindow") or "")
        if not window or not instance.retention_days or not context.strategy.renames:
            continue
        minutes = minutes_until_backup(window, now)
        if minutes < _WINDOW_MARGIN:
            return Reading(
                False, f"the backup window of {instance.identifier} ({window} UTC) is near or open"
            )
        nearest = min(nearest, minutes)
    return Reading(True, f"the next backup window opens in {nearest // 60} h")


def minutes_until_backup(window: str, now: datetime) -> int:
    """Return the minutes until a daily window such as ``03:10-03:40`` (UTC) opens; 0 while it is open."""
    start, end = (
        int(hour) * 60 + int(minute) for hour, minute in (at.split(":") for at in window.split("-"))
    )
    return _minutes_until(start, end, now.hour * 60 + now.minute, _DAY)


def minutes_until_maintenance(window: str, now: datetime) -> int:
    """Return the minutes until a weekly window such as ``sun:05:00-sun:06:00`` (UTC) opens; 0 while it is open."""
    start, end = (_minute_of_week(*edge.split(":")) for edge in window.split("-"))
    at = _minute_of_week(_DAYS[now.weekday()], str(now.hour), str(now.minute))
    return _minutes_until(start, end, at, 7 * _DAY)


def _minutes_until(start: int, end: int, at: int, period: int) -> int:
    """Return the minutes until a window that comes back every ``period`` minutes opens; 0 while it is open."""
    return 0 if (at - start) % period < (end - start) % period else (start - at) % period


def _minute_of_week(day: str, hour: str, minute: str) -> int:
    return (_DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)


CHECKS: dict[str, Check] = {
    "instances-available": instances_available,
    "fence-possible": fence_possible,
    "no-fence-bypass": no_fence_bypass,
    "no-prepared-xa": no_prepared_xa,
    "primary-writable": primary_writable,
    "no-long-transaction": no_long_transaction,
    "no-running-ddl": no_running_ddl,
    "replication-lag": replication_lag,
    "verification-fresh": verification_fresh,
    "candidate-read-only": candidate_read_only,
    "candidate-durable": candidate_durable,
    "events-and-triggers": events_and_triggers,
    "settings-match": settings_match,
    "candidate-binlog-retention": candidate_binlog_retention,
    "free-storage": free_storage,
    "dns-record": dns_record,
    "volume-initialized": volume_initialized,
    "maintenance-window": maintenance_window,
    "backup-window": backup_window,
}
"""All checks by name, in the order in which they are asked."""


def read(context: CutoverContext, primary: Session, candidate: Session) -> dict[str, Reading]:
    """Ask every check, all about the same moment, and note what they see."""
    now = context.still()
    found = {name: check(now, primary, candidate) for name, check in CHECKS.items()}
    context.timeline.read(CheckResult(name, reading.passed, reading.saw) for name, reading in found.items())
    return found


def require_passed(context: CutoverContext, primary: Session, candidate: Session) -> tuple[str, ...]:
    """Ask every check; return the failed ones that the config overrules, with what they saw.

    Raises:
        ActionRequired: at least one failed; nothing was touched.
    """
    _await_applied(context)
    failed = {
        name: reading.saw for name, reading in read(context, primary, candidate).items() if not reading.passed
    }
    stopping = [f"{name} ({saw})" for name, saw in failed.items() if name not in context.forced]
    if stopping:
        raise _failed(context, "; ".join(stopping))
    return tuple(f"{name}: {saw}" for name, saw in failed.items())


def _await_applied(context: CutoverContext) -> None:
    """Wait until RDS has brought changed parameters to both instances; the first check tells of one that never gets them.

    Lifting the fence of an interrupted attempt is such a change.
    """
    with suppress(TimedOut):
        until(
            Wait(
                "changed parameters to be in effect", where=context.names.source, deadline=_APPLY, longest=1.0
            ),
            context.both,
            done=lambda both: all(each.parameter_status != "applying" for each in both),
            describe=lambda both: "; ".join(f"{each.identifier}: {each.parameter_status}" for each in both),
            progress=context.progress,
        )


def require_steady(context: CutoverContext, primary: Session, candidate: Session) -> None:
    """Keep looking at the lag for a while: one look may have met a lucky moment between two long transactions.

    Raises:
        ActionRequired: it grew beyond its limit; nothing was touched.
    """
    name = "replication-lag"
    if name in context.forced or context.snapshot_coordinates is not None:
        return
    steady = context.limits.lag_steady
    began = time.monotonic()
    until(
        Wait(
            "the lag to be steady",
            where=context.names.source,
            deadline=2 * steady + 60,
            first=_LOOK,
            longest=_LOOK,
        ),
        lambda: replication_lag(context, primary, candidate),
        done=lambda seen: seen.passed and time.monotonic() - began >= steady,
        failed=lambda seen: None if seen.passed else _failed(context, f"{name} ({seen.saw})"),
        describe=lambda seen: f"watching the lag for {steady:.0f} s: {seen.saw}",
        progress=context.progress,
    )


def _failed(context: CutoverContext, what: str) -> ActionRequired:
    fix = "Mend that and run `pulumi up` again, or overrule a check in `cutover.force`"
    if context.direction.candidate_id != context.direction.encrypted_id:
        fix += (
            "; if it cannot be mended, set `phase` to `cutover` or `cleanup`, where production stays as it is"
        )
    return ActionRequired(
        f"the {context.direction.verb} did not begin, because of {what}",
        where=context.names.source,
        fix=fix,
        safe="Nothing was touched: applications write as before and replication goes on",
    )
