"""The guards: what must hold before the fence may close. Each looks, and says in a clause what it saw if it is red."""

from __future__ import annotations

from collections.abc import Callable

from foundation.errors import NeedsHuman
from migration.cutover import fence
from migration.cutover.site import Site
from replication import lag, writes
from replication.session import Session

__all__ = ["GUARDS", "require_green"]

Guard = Callable[[Site, Session, Session], str | None]

_LAG_LIMIT = 30
"""Seconds of lag beyond which a drain would not be short."""


def both_available(site: Site, _source: Session, _encrypted: Session) -> str | None:
    """Both instances are available and nothing is pending on them."""
    for instance in (site.source(), site.encrypted()):
        if not instance.available:
            return f"{instance.identifier} is {instance.status}"
        if pending := instance.description.get("PendingModifiedValues"):
            return f"{instance.identifier} has pending modifications ({', '.join(pending)})"
    return None


def source_group_can_fence(site: Site, _source: Session, _encrypted: Session) -> str | None:
    """The source's parameter group may carry the fence: its own, and in effect."""
    source = site.source()
    if source.parameter_group != site.source_group or not source.parameters_in_sync:
        return f"{source.identifier} does not run with parameter group {site.source_group} in effect"
    replicas = (
        {replica.resource_id for replica in site.instances.named(source.replicas).values()}
        if source.replicas
        else set()
    )
    return fence.why_not(site.groups, site.source_group, site.source_id, replicas)


def nobody_slips_past(_site: Site, source: Session, _encrypted: Session) -> str | None:
    """No account may write in spite of `read_only`."""
    accounts = writes.unfenceable_accounts(source)
    return f"read_only does not stop {', '.join(accounts)}" if accounts else None


def no_long_transaction(site: Site, source: Session, _encrypted: Session) -> str | None:
    """No transaction has been open for long on the source."""
    found = writes.long_transactions(source, site.limits.long_transaction)
    return f"transactions have been open for long: {', '.join(found)}" if found else None


def replication_in_reach(site: Site, source: Session, encrypted: Session) -> str | None:
    """The encrypted instance replicates and is close behind; not asked in mode ``snapshot``."""
    if site.snapshot_coordinates is not None:
        return None
    seen = lag.measure(source, encrypted)
    if not seen.status.running:
        return f"replication to the encrypted instance is {seen.status}"
    behind = seen.status.seconds_behind
    return f"the encrypted instance is {behind} s behind" if behind is None or behind > _LAG_LIMIT else None


def encrypted_is_held(_site: Site, _source: Session, encrypted: Session) -> str | None:
    """Nobody can write to the encrypted instance, and no event fires there."""
    if not writes.refused(encrypted):
        return "the encrypted instance accepts writes"
    scheduler = str(encrypted.value("SELECT @@GLOBAL.event_scheduler"))
    return f"event_scheduler is {scheduler} on the encrypted instance" if scheduler == "ON" else None


GUARDS: dict[str, Guard] = {
    "both-available": both_available,
    "fence-possible": source_group_can_fence,
    "nobody-slips-past": nobody_slips_past,
    "no-long-transaction": no_long_transaction,
    "replication-in-reach": replication_in_reach,
    "encrypted-is-held": encrypted_is_held,
}
"""All guards by name, in the order in which they are asked."""


def require_green(site: Site, source: Session, encrypted: Session) -> None:
    """Ask every guard.

    Raises:
        NeedsHuman: at least one is red; nothing was touched.
    """
    red = [f"{name} ({saw})" for name, guard in GUARDS.items() if (saw := guard(site, source, encrypted))]
    if red:
        raise NeedsHuman(
            f"the cut-over did not begin, because of {'; '.join(red)}",
            where=site.names.source,
            fix="Mend that and run `pulumi up` again",
            safe="Nothing was touched: the source is written to as before and replication goes on",
        )
