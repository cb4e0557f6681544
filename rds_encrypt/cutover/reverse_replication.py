"""Reverse replication: makes the primary follow the candidate, so that a rollback loses nothing.

Production does not need it. If it fails, rds-encrypt reports that and notes it for a later rollback; it never keeps a cutover from
completing.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from rds_encrypt.access import endpoint_of
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired, MigrationError, OutcomeUnknown, Retryable
from rds_encrypt.core.waiting import Wait, stop_if_orphaned, until
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.former_primary import Unreachable, reach
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.journal import Tag, as_tag_value
from rds_encrypt.mysql import accounts, channel, writes
from rds_encrypt.mysql.replication_errors import mended_by_attaching, met_itself
from rds_encrypt.mysql.session import Session

__all__ = ["LOST", "OPEN", "UNCONFIRMED", "note_lost", "open_reverse_replication", "settled"]

OPEN = "open"
LOST = "lost: "
UNCONFIRMED = "not yet confirmed: "
_FENCE = 60.0
_PAUSE = 2.0


def settled(path: str) -> bool:
    """Whether it needs nothing more: it is open, or lost for good."""
    return not path.startswith(UNCONFIRMED)


def open_reverse_replication(context: CutoverContext, diverged: str = "") -> str:
    """Make the primary follow, unless it has ``diverged``; return ``open``, or that it is lost or not confirmed, and why."""
    if context.snapshot_coordinates is not None:
        return f"{LOST}method `offline` has no reverse replication"
    path = f"{LOST}{diverged}" if diverged else _opened(context)
    context.progress(f"rollback path: {path}")
    note_lost(context, path)
    return path


def note_lost(context: CutoverContext, path: str) -> None:
    """Note on the encrypted instance that rollback is impossible, or that it is possible again."""
    if not context.direction.forward:
        return  # After a rollback it is the encrypted instance that follows, and phase `replicate` handles that.
    encrypted = context.encrypted()
    if path.startswith(LOST):
        context.note(encrypted, {Tag.ROLLBACK_LOST: as_tag_value(path.removeprefix(LOST))})
    elif path == OPEN:
        context.forget(encrypted, [Tag.ROLLBACK_LOST])


def _opened(context: CutoverContext) -> str:
    deadline, renew = time.monotonic() + context.deadlines.follows, True
    while True:
        try:
            path = _attempt(context, renew=renew)
        except _Lost as lost:
            return f"{LOST}{lost}"
        except (Retryable, OutcomeUnknown) as error:
            stop_if_orphaned("the primary to follow")
            if time.monotonic() > deadline:
                return f"{UNCONFIRMED}{context.primary_name} does not follow yet ({error.what})"
            time.sleep(_PAUSE)
            continue
        except MigrationError as error:
            return f"{LOST}{error.what}"
        if path is not None:
            return path
        renew = False


def _attempt(context: CutoverContext, *, renew: bool) -> str | None:
    """Try once; ``None`` if it was attached again and must be started."""
    with ExitStack() as stack:
        left = reach(context, stack, deadline=context.deadlines.former_primary)
        if isinstance(left, Unreachable):
            return f"{LOST if left.final else UNCONFIRMED}{left}"
        if reason := _not_ready(context, left):
            return f"{LOST}{reason}"
        if not _follows(context, left, renew=renew):
            return None
        context.timeline.mark(Moment.ROLLBACK_PATH_OPEN)
        return OPEN


class _Lost(Exception):
    """It can no longer follow; says why."""


def _not_ready(context: CutoverContext, left: Session) -> str | None:
    """Return why it cannot follow, before trying."""
    name = context.primary().identifier
    if not writes.refused(left) and not _closed_again(context, left):
        return f"{name} accepts writes, which production would never see"
    status = channel.status(left)
    if status is None:
        return f"{name} has no replication channel, and its coordinates are unknown"
    return None if status.ours else f"{name} follows {status.source_host}, which rds-encrypt did not set up"


def _follows(context: CutoverContext, left: Session, *, renew: bool) -> bool:
    """Start it, and return whether it follows; false if it was attached again with a new password and must be started."""
    try:
        channel.start(left)
    except ActionRequired as error:
        status = channel.status(left)
        trouble = status.error if status is not None else ""
        if met_itself(trouble):
            raise Retryable("it still reaches itself at that name") from error
        if status is not None and renew and mended_by_attaching(trouble):
            _attach_again(context, left)
            return False
        name = context.primary().identifier
        raise _Lost(f"{name} can no longer follow production ({trouble or error.what})") from error
    return True


def _attach_again(context: CutoverContext, left: Session) -> None:
    """Attach it again at the coordinates it has executed, with a new password."""
    executed = channel.stop(left).executed
    with context.session_on_candidate() as opened:
        account = accounts.issue(opened, context.direction.reverse_user)
    channel.attach(left, endpoint_of(context.candidate()), account, executed)


def _closed_again(context: CutoverContext, left: Session) -> bool:
    """Close a lifted fence again, if the group was made for it; return whether it holds."""
    primary = context.primary()
    if primary.parameter_group not in {context.names.fence, context.names.encrypted}:
        return False
    try:
        ParameterGroups(context.aws).set_now(primary.parameter_group, {"read_only": "1"})
        until(
            Wait(f"read_only on {left.endpoint}", deadline=_FENCE),
            lambda: writes.refused(left),
            done=bool,
        )
    except MigrationError:
        return False
    return True
