"""Reverse replication: the losing instance follows the winning one, so that a rollback would lose nothing.

Production does not need it. Where it cannot be, that is told, and noted for whoever asks for a rollback; it never keeps a cutover
from completing.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from controlplane.parameter_groups import ParameterGroups
from foundation.errors import MigrationError, NeedsHuman, Retryable
from foundation.waiting import Wait, stop_if_orphaned, until
from migration import journal
from migration.access import endpoint_of
from migration.cutover.losing import Unreachable, reach
from migration.cutover.site import Site
from migration.cutover.timeline import Moment
from replication import accounts, channel, writes
from replication.session import Session
from replication.trouble import mended_by_attaching

__all__ = ["LOST", "OPEN", "UNCONFIRMED", "note_lost", "open_way_back", "settled"]

OPEN = "open"
LOST = "lost: "
UNCONFIRMED = "not yet confirmed: "
_FENCE = 60.0
_PAUSE = 2.0


def settled(path: str) -> bool:
    """Whether there is nothing left to do about it: it is open, or lost for good."""
    return not path.startswith(UNCONFIRMED)


def open_way_back(site: Site) -> str:
    """Let the losing instance follow; return ``open``, or that it is lost or not confirmed, and why."""
    if site.snapshot_coordinates is not None:
        return f"{LOST}mode `snapshot` has no reverse replication"
    path = _opened(site)
    site.progress(f"rollback path: {path}")
    note_lost(site, path)
    return path


def note_lost(site: Site, path: str) -> None:
    """Note on the encrypted instance that there is no rollback any more, or that there is one again."""
    if site.course.winning_id != site.course.encrypted_id:
        return  # After a rollback, what follows or does not is the encrypted instance, and phase `replicate` sees to that.
    encrypted = site.encrypted()
    if path.startswith(LOST):
        site.note(encrypted, {journal.ROLLBACK_LOST: journal.as_value(path.removeprefix(LOST))})
    elif path == OPEN:
        site.forget(encrypted, [journal.ROLLBACK_LOST])


def _opened(site: Site) -> str:
    deadline, renew = time.monotonic() + site.limits.follows, True
    while True:
        try:
            path = _attempt(site, renew=renew)
        except _Lost as lost:
            return f"{LOST}{lost}"
        except Retryable as error:
            stop_if_orphaned("the losing instance to follow")
            if time.monotonic() > deadline:
                return f"{UNCONFIRMED}{site.course.losing_name} does not follow yet ({error.what})"
            time.sleep(_PAUSE)
            continue
        except MigrationError as error:
            return f"{LOST}{error.what}"
        if path is not None:
            return path
        renew = False


def _attempt(site: Site, *, renew: bool) -> str | None:
    """Try once; ``None`` if it was attached once more, to be started then."""
    with ExitStack() as stack:
        left = reach(site, stack, deadline=site.limits.losing)
        if isinstance(left, Unreachable):
            return f"{LOST if left.final else UNCONFIRMED}{left}"
        if reason := _not_ready(site, left):
            return f"{LOST}{reason}"
        if not _follows(site, left, renew=renew):
            return None
        site.timeline.mark(Moment.WAY_BACK_OPEN)
        return OPEN


class _Lost(Exception):
    """It cannot follow any more; says why."""


def _not_ready(site: Site, left: Session) -> str | None:
    """Return why it cannot be made to follow, before that is tried."""
    name = site.losing().identifier
    if not writes.refused(left) and not _closed_again(site, left):
        return f"{name} accepts writes, which {site.names.source} would never see"
    status = channel.status(left)
    if status is None:
        return f"{name} follows nobody, and from where it should is not known"
    return None if status.ours else f"{name} follows {status.source_host}, which somebody else has set up"


def _follows(site: Site, left: Session, *, renew: bool) -> bool:
    """Start it, and say whether it follows; false if it was attached once more with a new password, to be started then."""
    try:
        channel.start(left)
    except NeedsHuman as error:
        status = channel.status(left)
        trouble = status.error if status is not None else ""
        if status is not None and renew and mended_by_attaching(trouble):
            _attach_again(site, left)
            return False
        name = site.losing().identifier
        raise _Lost(f"{name} cannot follow {site.names.source} any more ({trouble or error.what})") from error
    return True


def _attach_again(site: Site, left: Session) -> None:
    """Let it go on from what it has executed, with a new password."""
    executed = channel.stop(left).executed
    with site.session_on_winning() as opened:
        account = accounts.issue(opened, site.course.reverse_user)
    channel.attach(left, endpoint_of(site.winning()), account, executed)


def _closed_again(site: Site, left: Session) -> bool:
    """Set the fence again that somebody lifted, if the group is the one that was made for it; return whether it holds."""
    losing = site.losing()
    if losing.parameter_group not in {site.names.fence, site.names.encrypted}:
        return False
    try:
        ParameterGroups(site.aws).set_now(losing.parameter_group, {"read_only": "1"})
        until(
            Wait(f"read_only on {left.endpoint}", deadline=_FENCE),
            lambda: writes.refused(left),
            done=bool,
        )
    except MigrationError:
        return False
    return True
