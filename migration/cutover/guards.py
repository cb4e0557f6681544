"""The guards: what must hold before the fence may close. Each looks, and says in a clause what it saw if it is red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controlplane import records
from foundation.errors import NeedsHuman
from migration import journal
from migration.cutover import fence
from migration.cutover.site import Site
from replication import lag, writes
from replication.session import Session

__all__ = ["GUARDS", "Reading", "minutes_until_maintenance", "read", "require_green"]


_MAINTENANCE_MARGIN = 30
"""Minutes before a maintenance window in which a cut-over had better not begin."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Reading:
    """What a guard saw, in a clause, and whether that is as it should be."""

    green: bool
    saw: str


Guard = Callable[[Site, Session, Session], Reading]


def both_available(site: Site, _losing: Session, _winning: Session) -> Reading:
    """Both instances are available and nothing is pending on them."""
    for instance in (site.losing(), site.winning()):
        if not instance.available:
            return Reading(False, f"{instance.identifier} is {instance.status}")
        if pending := instance.description.get("PendingModifiedValues"):
            return Reading(False, f"{instance.identifier} has pending modifications ({', '.join(pending)})")
    return Reading(True, "both instances are available, nothing is pending")


def fence_possible(site: Site, _losing: Session, _winning: Session) -> Reading:
    """The parameter group may carry the fence: only this instance uses it, and it is in effect."""
    losing, group = site.losing(), site.strategy.fence_group(site)
    if losing.parameter_group != group or not losing.parameters_in_sync:
        return Reading(False, f"{losing.identifier} does not run with parameter group {group} in effect")
    replicas = [*losing.replicas, *site.winning().replicas]
    found = site.instances.named(replicas).values() if replicas else ()
    allowed = {site.course.losing_id, *(replica.resource_id for replica in found)}
    reason = fence.why_not(site.groups, group, allowed)
    return Reading(reason is None, reason or f"read_only can be set in parameter group {group}")


def nobody_slips_past(_site: Site, losing: Session, _winning: Session) -> Reading:
    """No account may write in spite of `read_only`."""
    accounts = writes.unfenceable_accounts(losing)
    if accounts:
        return Reading(False, f"read_only does not stop {', '.join(accounts)}")
    return Reading(True, "read_only stops every account")


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
    seen = lag.measure(losing, winning)
    if not seen.status.running:
        return Reading(False, f"replication to {site.winning().identifier} is {seen.status}")
    behind = seen.status.seconds_behind
    return Reading(behind is not None and behind <= site.limits.lag, f"{seen} (limit {site.limits.lag} s)")


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
    "loser-takes-writes": loser_takes_writes,
    "no-long-transaction": no_long_transaction,
    "no-definition-change": no_definition_change,
    "replication-in-reach": replication_in_reach,
    "winner-is-held": winner_is_held,
    "record-points-here": record_points_here,
    "storage-is-warm": storage_is_warm,
    "no-maintenance-soon": no_maintenance_soon,
}
"""All guards by name, in the order in which they are asked."""


def read(site: Site, losing: Session, winning: Session) -> dict[str, Reading]:
    """Ask every guard."""
    return {name: guard(site, losing, winning) for name, guard in GUARDS.items()}


def require_green(site: Site, losing: Session, winning: Session) -> tuple[str, ...]:
    """Ask every guard; return the red ones that the config overrules, with what they saw.

    Raises:
        NeedsHuman: at least one is red; nothing was touched.
    """
    red = {name: reading.saw for name, reading in read(site, losing, winning).items() if not reading.green}
    stopping = [f"{name} ({saw})" for name, saw in red.items() if name not in site.forced]
    if stopping:
        raise NeedsHuman(
            f"the {site.course.verb} did not begin, because of {'; '.join(stopping)}",
            where=site.names.source,
            fix="Mend that and run `pulumi up` again, or overrule a guard in `cutover.force`",
            safe="Nothing was touched: applications write as before and replication goes on",
        )
    return tuple(f"{name}: {saw}" for name, saw in red.items())
