"""The cut-over, move by move. Until the swap begins every failure undoes what was done; from then on it rolls forward."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from foundation.errors import NeedsHuman, TimedOut
from migration import journal
from migration.access import endpoint_of
from migration.cutover import guards
from migration.cutover.fence import ParameterGroupFence
from migration.cutover.site import Site
from migration.cutover.timeline import Moment
from replication import accounts, channel, events, lag, writes
from replication.coordinates import Coordinates
from replication.session import Session

__all__ = ["Outcome", "cut_over"]


@dataclass(frozen=True)
class Outcome:
    """What a cut-over found at its end."""

    server_uuid: str
    final: str
    unenabled_events: tuple[str, ...]


def cut_over(site: Site) -> Outcome:
    """Give the source's name to the encrypted instance, or leave everything as it was.

    Raises:
        NeedsHuman: a guard is red, or the world changed under our hands; nothing is half-done before the swap.
        TimedOut: the write-outage budget ran out before the swap; everything is as before.
        ExceptionGroup: undoing failed too; both causes are in it.
    """
    if not _swap_begun(site):
        with site.sessions() as (source, encrypted), _undone_on_failure(site, source, encrypted):
            _resume_replication(site, source, encrypted)
            guards.require_green(site, source, encrypted)
            started = time.monotonic()
            final = _fence(site, source)
            _drain(site, encrypted, final)
            _promote(site, source, encrypted, final)
            _require_within_budget(site, time.monotonic() - started)
            _begin_swap(site)
    # ── point of no return: from here on, running again rolls forward ──
    _swap_names(site)
    return _open(site)


def _swap_begun(site: Site) -> bool:
    return journal.SWAPPED in site.encrypted().tags


def _fence(site: Site, source: Session) -> Coordinates:
    site.progress("closing the fence")
    site.timeline.mark(Moment.FENCE_REQUESTED)
    ParameterGroupFence.of(site).apply(source, deadline=site.limits.write_outage / 2)
    site.timeline.mark(Moment.FENCED)
    writes.end_writing_sessions(source)
    return writes.stand_still(source)


def _drain(site: Site, encrypted: Session, final: Coordinates) -> None:
    site.progress(f"draining to {final}")
    if site.snapshot_coordinates is None:
        lag.drain(encrypted, final, deadline=site.limits.write_outage / 2)
    elif site.snapshot_coordinates != final:
        raise NeedsHuman(
            f"the source stands at {final}, but its snapshot was taken at {site.snapshot_coordinates}",
            where=site.names.source,
            fix="Something wrote past the fence: destroy the stack and start over",
        )
    site.timeline.mark(Moment.DRAINED)


def _promote(site: Site, source: Session, encrypted: Session, final: Coordinates) -> None:
    site.progress("promoting the encrypted instance")
    # Written before the channel is reset: with it, an interrupted promotion can be attached again without loss.
    site.instances.tag(site.encrypted_id, {journal.PROMOTED_AT: str(final)})
    channel.detach(encrypted)
    if writes.stand_still(source) != final or not ParameterGroupFence.of(site).holds(source):
        raise NeedsHuman(
            "the source was written to behind the fence",
            where=site.names.source,
            fix="Find the account that read_only does not stop, then run `pulumi up` again",
        )
    site.timeline.mark(Moment.PROMOTED)


def _require_within_budget(site: Site, spent: float) -> None:
    if spent > site.limits.write_outage:
        raise TimedOut(
            f"fence, drain and promotion took {spent:.0f} s, more than the {site.limits.write_outage:.0f} s allowed",
            where=site.names.source,
            fix="Raise `maxWriteOutage`, or wait for quieter hours",
            safe="The fence is lifted and replication goes on",
        )


def _begin_swap(site: Site) -> None:
    site.instances.tag(site.source_id, {journal.PARTNER: site.encrypted_id})
    now = datetime.now(UTC).isoformat(timespec="seconds")
    site.instances.tag(site.encrypted_id, {journal.SWAPPED: now})
    site.timeline.mark(Moment.SWAP_BEGAN)


def _swap_names(site: Site) -> None:
    site.progress(f"renaming {site.names.source} to {site.names.old}")
    # Old takes the fence with it into a group of its own, in the same reboot that renames it.
    site.instances.rename(
        site.source_id,
        site.names.old,
        parameter_group=site.names.fence,
        deadline=site.limits.rename,
        progress=site.progress,
    )
    site.timeline.mark(Moment.SOURCE_RENAMED)
    # Nobody uses the source's group now; the encrypted instance comes up with it, open.
    ParameterGroupFence.of(site).put_back()
    site.progress(f"renaming {site.names.encrypted} to {site.names.source}")
    site.instances.rename(
        site.encrypted_id,
        site.names.source,
        parameter_group=site.source_group,
        deadline=site.limits.rename,
        progress=site.progress,
    )
    site.timeline.mark(Moment.ENCRYPTED_RENAMED)


def _open(site: Site) -> Outcome:
    site.progress("confirming")
    with site.access.session(site.source()) as old:
        if not writes.refused(old):
            raise NeedsHuman(
                "the old instance accepts writes",
                where=site.names.old,
                fix=f"Set read_only=1 in parameter group {site.names.fence}, and see that nothing writes there",
            )
        wanted = events.inventory(old)
    with site.access.session(site.encrypted()) as opened:
        if writes.refused(opened):
            raise NeedsHuman(
                f"`{site.names.source}` is the encrypted instance now, but still read-only",
                where=site.names.source,
                fix=f"Set read_only to its former value in parameter group {site.source_group}",
            )
        site.timeline.mark(Moment.OPEN)
        left = _enable_events(opened, wanted)
        uuid = str(opened.value("SELECT @@server_uuid"))
    promoted_at = site.encrypted().tags.get(journal.PROMOTED_AT, "")
    return Outcome(uuid, promoted_at, left)


def _enable_events(opened: Session, wanted: list[events.Event]) -> tuple[str, ...]:
    """Enable what was enabled on the source; return the events whose definer we may not set."""
    here = {(event.schema, event.name): event for event in events.inventory(opened)}
    left: list[str] = []
    for event in wanted:
        found = here.get((event.schema, event.name))
        if not event.enabled or found is None or found.enabled:
            continue
        try:
            events.enable(opened, event)
        except NeedsHuman:
            # Not worth undoing a cut-over: reported in the outputs, to be enabled by the definer.
            left.append(f"{event.schema}.{event.name}")
    return tuple(left)


def _resume_replication(site: Site, source: Session, encrypted: Session) -> None:
    """Attach an encrypted instance that an interrupted cut-over had promoted, and wait until it follows again.

    It stands exactly where it was promoted, since nobody could write to it, so nothing is lost by going on from there.
    """
    noted = site.encrypted().tags.get(journal.PROMOTED_AT)
    if noted is None or site.snapshot_coordinates is not None:
        return
    if channel.status(encrypted) is None:
        _attach_again(site, source, encrypted, Coordinates.parse(noted))
    if channel.status(encrypted) is not None:
        channel.start(encrypted)
        lag.catch_up(source, encrypted, deadline=site.limits.rename, progress=site.progress)
    site.instances.untag(site.encrypted_id, [journal.PROMOTED_AT])


def _attach_again(site: Site, source: Session, encrypted: Session, at: Coordinates) -> None:
    # A new password is a write, which the fence would refuse.
    ParameterGroupFence.of(site).lift(source)
    account = accounts.issue(source)
    channel.attach(encrypted, endpoint_of(site.source()), account, at)


@contextmanager
def _undone_on_failure(site: Site, source: Session, encrypted: Session) -> Iterator[None]:
    """Lift the fence and follow the source again if anything fails.

    In mode ``snapshot`` the fence stays: a single write would make the copy worthless, and downtime was agreed to.
    """
    try:
        yield
    except BaseException as cause:
        if site.snapshot_coordinates is not None:
            raise
        site.progress("undoing")
        try:
            site.instances.untag(site.encrypted_id, [journal.SWAPPED])
            with site.access.session(site.source()) as fresh:
                ParameterGroupFence.of(site).lift(fresh)
            _resume_replication(site, source, encrypted)
        except Exception as failure:  # noqa: BLE001 - both causes are raised, whatever they are
            raise BaseExceptionGroup(
                "the cut-over failed, and so did undoing it", [cause, failure]
            ) from cause
        raise
