"""The guards: what must hold before the fence may close. Each looks, and says in a clause what it saw if it is red."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from controlplane import records
from foundation.errors import NeedsHuman
from migration import journal
from migration.cutover import fence
from migration.cutover.site import Site
from replication import lag, writes
from replication.session import Session

__all__ = ["GUARDS", "minutes_until_maintenance", "require_green"]

Guard = Callable[[Site, Session, Session], str | None]

_MAINTENANCE_MARGIN = 30
"""Minutes before a maintenance window in which a cut-over had better not begin."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def both_available(site: Site, _losing: Session, _winning: Session) -> str | None:
    """Both instances are available and nothing is pending on them."""
    for instance in (site.losing(), site.winning()):
        if not instance.available:
            return f"{instance.identifier} is {instance.status}"
        if pending := instance.description.get("PendingModifiedValues"):
            return f"{instance.identifier} has pending modifications ({', '.join(pending)})"
    return None


def fence_possible(site: Site, _losing: Session, _winning: Session) -> str | None:
    """The owner's parameter group may carry the fence: only this instance uses it, and it is in effect."""
    losing, group = site.losing(), site.strategy.fence_group(site)
    if losing.parameter_group != group or not losing.parameters_in_sync:
        return f"{losing.identifier} does not run with parameter group {group} in effect"
    replicas = [*losing.replicas, *site.winning().replicas]
    found = site.instances.named(replicas).values() if replicas else ()
    allowed = {site.course.losing_id, *(replica.resource_id for replica in found)}
    return fence.why_not(site.groups, group, allowed)


def nobody_slips_past(_site: Site, losing: Session, _winning: Session) -> str | None:
    """No account may write in spite of `read_only`."""
    accounts = writes.unfenceable_accounts(losing)
    return f"read_only does not stop {', '.join(accounts)}" if accounts else None


def no_long_transaction(site: Site, losing: Session, _winning: Session) -> str | None:
    """No transaction has been open for long where the writes are."""
    found = writes.long_transactions(losing, site.limits.long_transaction)
    return f"sessions have had a transaction open for long: {', '.join(found)}" if found else None


def replication_in_reach(site: Site, losing: Session, winning: Session) -> str | None:
    """The winning instance replicates and is close behind; not asked in mode ``snapshot``."""
    if site.snapshot_coordinates is not None:
        return None
    seen = lag.measure(losing, winning)
    if not seen.status.running:
        return f"replication to {site.winning().identifier} is {seen.status}"
    behind = seen.status.seconds_behind
    return f"it is {behind} s behind" if behind is None or behind > site.limits.lag else None


def winner_is_held(site: Site, _losing: Session, winning: Session) -> str | None:
    """Nobody can write to the winning instance, and no event fires there."""
    name = site.winning().identifier
    if not writes.refused(winning):
        return f"{name} accepts writes"
    if site.course.winning_id != site.course.encrypted_id or journal.ROLLED_BACK in site.encrypted().tags:
        return None  # it has been production before: its events fail on read_only, as they should
    scheduler = str(winning.value("SELECT @@GLOBAL.event_scheduler"))
    return f"event_scheduler is {scheduler} on {name}" if scheduler == "ON" else None


def record_points_here(site: Site, _losing: Session, _winning: Session) -> str | None:
    """In strategy ``dns``, the record that applications use points at the instance that is to lose them."""
    record = getattr(site.strategy, "record", None)
    if record is None:
        return None
    target = records.target(site.aws, record.zone, record.name)
    return f"{record.name} points at {target}" if target != site.losing().address else None


def storage_is_warm(site: Site, _losing: Session, _winning: Session) -> str | None:
    """A restored volume has been loaded from its snapshot, so that the first hours after the swap are not slow ones."""
    description = site.winning().description
    status = description.get("StorageOperationStatus")
    done = description.get("StorageOperationPercentProgress")
    if not status or status in {"completed", "none"} or done in (None, 100):
        return None
    return f"the storage of {site.winning().identifier} is {status} ({done} %)"


def no_maintenance_soon(site: Site, _losing: Session, _winning: Session) -> str | None:
    """Neither instance has a maintenance window that is open or about to be."""
    now = datetime.now(UTC)
    for instance in (site.losing(), site.winning()):
        window = str(instance.description.get("PreferredMaintenanceWindow") or "")
        pending = instance.description.get("PendingModifiedValues")
        minutes = minutes_until_maintenance(window, now) if window and pending else None
        if minutes is not None and minutes < _MAINTENANCE_MARGIN:
            return (
                f"the maintenance window of {instance.identifier} ({window}) is near and something is pending"
            )
    return None


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
    "no-long-transaction": no_long_transaction,
    "replication-in-reach": replication_in_reach,
    "winner-is-held": winner_is_held,
    "record-points-here": record_points_here,
    "storage-is-warm": storage_is_warm,
    "no-maintenance-soon": no_maintenance_soon,
}
"""All guards by name, in the order in which they are asked."""


def require_green(site: Site, losing: Session, winning: Session) -> tuple[str, ...]:
    """Ask every guard; return the red ones that the config overrules, with what they saw.

    Raises:
        NeedsHuman: at least one is red; nothing was touched.
    """
    red = {name: saw for name, guard in GUARDS.items() if (saw := guard(site, losing, winning))}
    stopping = [f"{name} ({saw})" for name, saw in red.items() if name not in site.forced]
    if stopping:
        raise NeedsHuman(
            f"the {site.course.verb} did not begin, because of {'; '.join(stopping)}",
            where=site.names.source,
            fix="Mend that and run `pulumi up` again, or overrule a guard in `cutover.force`",
            safe="Nothing was touched: applications write as before and replication goes on",
        )
    return tuple(f"{name}: {saw}" for name, saw in red.items())
