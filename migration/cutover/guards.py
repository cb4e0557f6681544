"""The guards: what must hold before the fence may close. Each looks, and says in a clause what it saw if it is red."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controlplane import metrics, records
from foundation.errors import NeedsHuman, TimedOut
from foundation.waiting import Wait, until
from migration import journal
from migration.cutover import account_fence, growth
from migration.cutover.fence import ParameterGroupFence, group_cannot
from migration.cutover.fences import fence_of
from migration.cutover.site import Site
from migration.cutover.timeline import GuardReading
from migration.durability import less_durable
from migration.likeness import differences
from migration.parallel_appliers import applier_reduced
from migration.temporary_parameters import variables
from migration.verified import verified
from replication import channel, events, lag, retention, writes
from replication.session import Session

__all__ = [
    "FREE_PERCENT",
    "GUARDS",
    "Reading",
    "minutes_until_maintenance",
    "read",
    "require_green",
    "require_steady",
]


_MAINTENANCE_MARGIN = 30
"""Minutes before a maintenance window in which a cut-over had better not begin."""
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
    """What a guard saw, in a clause, and whether that is as it should be."""

    green: bool
    saw: str


Guard = Callable[[Site, Session, Session], Reading]


def both_available(site: Site, _losing: Session, _winning: Session) -> Reading:
    """Both instances are available, nothing is pending on them, and their groups are in effect."""
    for instance in (site.losing(), site.winning()):
        if not instance.available:
            return Reading(False, f"{instance.identifier} is {instance.status}")
        if pending := instance.description.get("PendingModifiedValues"):
            return Reading(False, f"{instance.identifier} has pending modifications ({', '.join(pending)})")
        if waiting := instance.groups_not_in_sync:
            return Reading(False, f"{instance.identifier} runs without {', '.join(waiting)} in effect")
    return Reading(True, "both instances are available, nothing is pending")


def fence_possible(site: Site, losing: Session, _winning: Session) -> Reading:
    """The parameter group can carry the fence, or else accounts can be locked."""
    instance, group = site.losing(), site.strategy.fence_group(site)
    if instance.parameter_group != group:
        return Reading(False, f"{instance.identifier} does not run with parameter group {group}")
    reason = group_cannot(site.aws, group, instance, site.winning())
    if reason is None:
        return Reading(True, f"read_only can be set in parameter group {group}")
    if not site.strategy.renames:
        return Reading(False, f"{reason}, and only strategy `rename` can do without")
    if trouble := account_fence.obstacle(losing):
        return Reading(False, f"{reason}, so accounts are to be locked, but {trouble}")
    return Reading(True, f"{reason}, so accounts will be locked")


def nobody_slips_past(site: Site, losing: Session, _winning: Session) -> Reading:
    """No account may write in spite of `read_only`; one that is locked has no say."""
    if not isinstance(fence_of(site), ParameterGroupFence):
        return Reading(True, "all accounts will be locked")
    accounts = writes.unfenceable_accounts(losing)
    if accounts:
        return Reading(False, f"read_only does not stop {', '.join(accounts)}")
    return Reading(True, "read_only stops every account")


def nothing_prepared(_site: Site, losing: Session, _winning: Session) -> Reading:
    """No XA transaction waits for its COMMIT, which would pass `read_only`."""
    count = writes.prepared_transactions(losing)
    return Reading(
        count == 0,
        f"{count} prepared (XA) transactions wait for their COMMIT" if count else "none is prepared",
    )


def loser_takes_writes(site: Site, losing: Session, _winning: Session) -> Reading:
    """Our account may do on the losing instance what will prove that the winning one is open; not in mode ``snapshot``."""
    if site.snapshot_coordinates is not None:
        return Reading(True, "fenced since before its snapshot")
    if writes.refused(losing):
        return Reading(False, f"{site.losing().identifier} refuses writes, and not because of us")
    return Reading(True, "a write by our account is accepted")


def no_long_transaction(site: Site, losing: Session, _winning: Session) -> Reading:
    """No transaction has been open for long where the writes are."""
    limit = site.limits.long_transaction
    found = writes.long_transactions(losing, limit)
    if found:
        return Reading(False, f"sessions have had a transaction open for long: {', '.join(found)}")
    return Reading(True, f"no transaction is older than {limit} s")


def no_definition_change(_site: Site, losing: Session, _winning: Session) -> Reading:
    """No ALTER or the like runs, or waits for a lock that would make every writer wait with it."""
    found = writes.definition_changes(losing, 1)
    if found:
        return Reading(False, f"sessions are changing definitions: {', '.join(found)}")
    return Reading(True, "nobody changes a table's definition")


def replication_in_reach(site: Site, losing: Session, winning: Session) -> Reading:
    """The winning instance replicates and is close behind; not asked in mode ``snapshot``."""
    if site.snapshot_coordinates is not None:
        return Reading(True, f"nothing replicates; the snapshot was taken at {site.snapshot_coordinates}")
    if channel.status(winning) is None:
        return Reading(False, f"{site.winning().identifier} follows nobody")
    seen = lag.measure(losing, winning)
    if not seen.status.running:
        return Reading(False, f"replication to {site.winning().identifier} is {seen.status}")
    behind = seen.status.seconds_behind
    return Reading(behind is not None and behind <= site.limits.lag, f"{seen} (limit {site.limits.lag} s)")


def verification_fresh(site: Site, _losing: Session, _winning: Session) -> Reading:
    """The data was compared, found equal, and not too long ago; not asked in mode ``snapshot``, nor on the way back."""
    limit = site.limits.verification
    if site.snapshot_coordinates is not None:
        return Reading(True, "a snapshot of the fenced source has no replica to be compared with")
    if site.course.winning_id != site.course.encrypted_id:
        return Reading(True, "not asked on the way back")
    if limit is None:
        return Reading(True, "verification is off")
    found = verified(site.losing().tags, site.course.encrypted_id)
    if found is None:
        return Reading(False, f"{site.winning().identifier} has not been verified, or not found equal")
    ago = f"{found.age.total_seconds() / 3600:.1f} h ago in mode {found.mode}"
    wanted = f"(wanted: {site.limits.verify}, at most {limit / 3600:.0f} h old)"
    return Reading(found.serves(site.limits.verify, limit / 3600), f"verified {ago} {wanted}")


def winner_is_held(site: Site, _losing: Session, winning: Session) -> Reading:
    """Nobody can write to the winning instance, and no event fires there."""
    name = site.winning().identifier
    if not writes.refused(winning):
        return Reading(False, f"{name} accepts writes")
    scheduler = str(winning.value("SELECT @@GLOBAL.event_scheduler"))
    # One that was production before may have it on: its events fail on read_only, as they should.
    fresh = (
        site.course.winning_id == site.course.encrypted_id
        and journal.ROLLED_BACK not in site.encrypted().tags
    )
    return Reading(
        not (fresh and scheduler == "ON"), f"{name} refuses writes, event_scheduler is {scheduler}"
    )


def winner_is_durable(site: Site, _losing: Session, winning: Session) -> Reading:
    """The winning instance flushes commits as its owner's group says; it need not while it catches up."""
    name, group = site.winning().identifier, site.source_group
    # Almost always there is nothing to ask the group about.
    left = less_durable(winning, {}) and less_durable(winning, site.groups.user_values(group))
    if left:
        return Reading(False, f"{name} is less durable than parameter group {group} says: {', '.join(left)}")
    if reduced := _appliers_reduced(site, winning):
        return Reading(
            False,
            f"{name} has fewer appliers than parameter group {group} says: {', '.join(reduced)}; `pulumi up` in phase `replicate`"
            " puts that back",
        )
    return Reading(True, f"{name} is as durable as parameter group {group} says")


def _appliers_reduced(site: Site, winning: Session) -> list[str]:
    """Return what a verification that was killed has left; almost always there is nothing to ask the groups about."""
    mine = site.winning().parameter_group
    if mine != site.names.encrypted:
        return []
    if any(int(value) > 1 for value in variables(winning, *_APPLIERS).values()):
        return []
    return applier_reduced(winning, site.groups.user_values(mine), site.groups.user_values(site.source_group))


def events_and_triggers(_site: Site, losing: Session, winning: Session) -> Reading:
    """Both have the same scheduled events and triggers, so that they fire on the winning instance as on the losing one."""
    here = {f"event {event.schema}.{event.name}" for event in events.inventory(losing)}
    here |= {f"trigger {trigger}" for trigger in events.triggers(losing)}
    there = {f"event {event.schema}.{event.name}" for event in events.inventory(winning)}
    there |= {f"trigger {trigger}" for trigger in events.triggers(winning)}
    if here != there:
        return Reading(False, f"on one side only: {', '.join(sorted(here ^ there)[:5])}")
    return Reading(True, f"the same {len(here)} events and triggers on both")


def settings_alike(site: Site, _losing: Session, _winning: Session) -> Reading:
    """Nobody has changed a setting of the losing instance that applications would miss after the swap."""
    losing, winning = site.losing(), site.winning()
    unlike = differences(losing, winning)
    later = {each.setting: growth.harmless(site, winning, each) for each in unlike}
    if missing := [each for each in unlike if later[each.setting] is None]:
        how = (
            "; `pulumi up` in phase `replicate` gives it these settings"
            if site.course.winning_id == site.course.encrypted_id
            else ""
        )
        return Reading(
            False,
            f"{winning.identifier} is not like {losing.identifier}: {'; '.join(map(str, missing))}{how}",
        )
    if unlike:
        return Reading(True, "; ".join(filter(None, later.values())))
    return Reading(True, f"{winning.identifier} has all settings of {losing.identifier}")


def candidate_keeps_binlogs(site: Site, _losing: Session, winning: Session) -> Reading:
    """RDS keeps the binlogs of the instance that will carry production until the other one can follow it; not in mode ``snapshot``."""
    name = site.winning().identifier
    if site.snapshot_coordinates is not None:
        return Reading(True, "nothing is to follow it afterwards")
    if hours := retention.read(winning):
        return Reading(True, f"{name} keeps its binlogs for {hours} h")
    how = (
        "`pulumi refresh` and `pulumi up` in phase `replicate` set it"
        if site.course.winning_id == site.course.encrypted_id
        else "CALL mysql.rds_set_configuration('binlog retention hours', 24) there"
    )
    return Reading(
        False, f"{name} purges its binlogs at once, and {site.losing().identifier} could not follow it: {how}"
    )


def room_to_go_on(site: Site, _losing: Session, _winning: Session) -> Reading:
    """Neither volume is nearly full, by CloudWatch's last figure: binlogs and relay logs grow while one side waits."""
    seen = []
    for instance in (site.losing(), site.winning()):
        free = metrics.free_storage(site.aws, instance.identifier)
        if free is None:
            seen.append(f"no figure for {instance.identifier}")
            continue
        percent = 100 * free / (instance.allocated_gib * 2**30)
        seen.append(f"{instance.identifier} has {free / 2**30:.1f} GiB free ({percent:.0f} %)")
        if percent < FREE_PERCENT:
            return Reading(False, f"{seen[-1]}, less than {FREE_PERCENT} %")
    return Reading(True, "; ".join(seen))


def record_points_here(site: Site, _losing: Session, _winning: Session) -> Reading:
    """In strategy ``dns``, the record that applications use points at the instance that is to lose them."""
    record = site.strategy.record
    if record is None:
        return Reading(True, "no record to change")
    target = records.target(site.aws, record.zone, record.name)
    return Reading(target == site.losing().address, f"{record.name} points at {target}")


def storage_is_warm(site: Site, _losing: Session, _winning: Session) -> Reading:
    """A restored volume has been loaded from its snapshot, so that the first hours after the swap are not slow ones."""
    winning = site.winning()
    status = winning.description.get("StorageOperationStatus")
    done = winning.description.get("StorageOperationPercentProgress")
    if not status or status in {"completed", "none"} or done in (None, 100):
        return Reading(True, f"the storage of {winning.identifier} is loaded, as far as RDS says")
    return Reading(False, f"the storage of {winning.identifier} is {status} ({done} %)")


def no_maintenance_soon(site: Site, _losing: Session, _winning: Session) -> Reading:
    """Neither instance has a maintenance window that is open or about to be."""
    now = datetime.now(UTC)
    nearest = 7 * 24 * 60
    for instance in (site.losing(), site.winning()):
        window = str(instance.description.get("PreferredMaintenanceWindow") or "")
        minutes = minutes_until_maintenance(window, now) if window else nearest
        if minutes < _MAINTENANCE_MARGIN:
            return Reading(
                False, f"the maintenance window of {instance.identifier} ({window}) is near or open"
            )
        nearest = min(nearest, minutes)
    return Reading(True, f"the next maintenance window opens in {nearest // 60} h")


def minutes_until_maintenance(window: str, now: datetime) -> int:
    """Return the minutes until a weekly window such as ``sun:05:00-sun:06:00`` (UTC) opens; 0 while it is open."""
    start, end = (_minute_of_week(*edge.split(":")) for edge in window.split("-"))
    week = 7 * 24 * 60
    at = _minute_of_week(_DAYS[now.weekday()], str(now.hour), str(now.minute))
    if (at - start) % week < (end - start) % week:
        return 0
    return int(timedelta(minutes=(start - at) % week).total_seconds() // 60)


def _minute_of_week(day: str, hour: str, minute: str) -> int:
    return (_DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)


GUARDS: dict[str, Guard] = {
    "both-available": both_available,
    "fence-possible": fence_possible,
    "nobody-slips-past": nobody_slips_past,
    "nothing-prepared": nothing_prepared,
    "loser-takes-writes": loser_takes_writes,
    "no-long-transaction": no_long_transaction,
    "no-definition-change": no_definition_change,
    "replication-in-reach": replication_in_reach,
    "verification-fresh": verification_fresh,
    "winner-is-held": winner_is_held,
    "winner-is-durable": winner_is_durable,
    "events-and-triggers": events_and_triggers,
    "settings-alike": settings_alike,
    "candidate-keeps-binlogs": candidate_keeps_binlogs,
    "room-to-go-on": room_to_go_on,
    "record-points-here": record_points_here,
    "storage-is-warm": storage_is_warm,
    "no-maintenance-soon": no_maintenance_soon,
}
"""All guards by name, in the order in which they are asked."""


def read(site: Site, losing: Session, winning: Session) -> dict[str, Reading]:
    """Ask every guard, all about the same moment, and note what they see."""
    now = site.still()
    found = {name: guard(now, losing, winning) for name, guard in GUARDS.items()}
    site.timeline.read(GuardReading(name, reading.green, reading.saw) for name, reading in found.items())
    return found


def require_green(site: Site, losing: Session, winning: Session) -> tuple[str, ...]:
    """Ask every guard; return the red ones that the config overrules, with what they saw.

    Raises:
        NeedsHuman: at least one is red; nothing was touched.
    """
    _await_applied(site)
    red = {name: reading.saw for name, reading in read(site, losing, winning).items() if not reading.green}
    stopping = [f"{name} ({saw})" for name, saw in red.items() if name not in site.forced]
    if stopping:
        raise _red(site, "; ".join(stopping))
    return tuple(f"{name}: {saw}" for name, saw in red.items())


def _await_applied(site: Site) -> None:
    """Wait until RDS has brought changed parameters to both instances; the first check tells of one that never gets them.

    Lifting the fence of an interrupted attempt is such a change.
    """
    with suppress(TimedOut):
        until(
            Wait("changed parameters to be in effect", where=site.names.source, deadline=_APPLY, longest=1.0),
            site.both,
            done=lambda both: all(each.parameter_status != "applying" for each in both),
            describe=lambda both: "; ".join(f"{each.identifier}: {each.parameter_status}" for each in both),
            progress=site.progress,
        )


def require_steady(site: Site, losing: Session, winning: Session) -> None:
    """Keep looking at the lag for a while: one look may have met a lucky moment between two long transactions.

    Raises:
        NeedsHuman: it grew beyond its limit; nothing was touched.
    """
    name = "replication-in-reach"
    if name in site.forced or site.snapshot_coordinates is not None:
        return
    steady = site.limits.lag_steady
    began = time.monotonic()
    until(
        Wait(
            "the lag to be steady",
            where=site.names.source,
            deadline=2 * steady + 60,
            first=_LOOK,
            longest=_LOOK,
        ),
        lambda: replication_in_reach(site, losing, winning),
        done=lambda seen: seen.green and time.monotonic() - began >= steady,
        failed=lambda seen: None if seen.green else _red(site, f"{name} ({seen.saw})"),
        describe=lambda seen: f"watching the lag for {steady:.0f} s: {seen.saw}",
        progress=site.progress,
    )


def _red(site: Site, what: str) -> NeedsHuman:
    fix = "Mend that and run `pulumi up` again, or overrule a guard in `cutover.force`"
    if site.course.winning_id != site.course.encrypted_id:
        fix += (
            "; if it cannot be mended, set `phase` to `cutover` or `cleanup`, where production stays as it is"
        )
    return NeedsHuman(
        f"the {site.course.verb} did not begin, because of {what}",
        where=site.names.source,
        fix=fix,
        safe="Nothing was touched: applications write as before and replication goes on",
    )
