"""Scheduled events on the candidate: each gets the status that it had on the primary, which may be gone by then.

CREATE EVENT and ALTER EVENT arrive by replication as REPLICA_SIDE_DISABLED, and only the primary knows which of those
must fire. A tag notes them as digests before the fence closes; there are seldom any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import events
from rds_encrypt.mysql.events import Event
from rds_encrypt.mysql.session import Session

__all__ = ["note", "settle", "settle_as_noted"]

_DIGITS = 8
_ROOM = 256 // (_DIGITS + 1)
"""How many digests a tag's value can hold."""
_TOO_MANY = "too many"


def note(primary: Session, candidate: Session) -> dict[str, str]:
    """Return, as tags, which events fire on the primary and would not on the candidate, or that there are too many to note."""
    there = {(event.schema, event.name): event for event in events.inventory(candidate)}
    due = [
        event
        for event in events.inventory(primary)
        if event.enabled
        and (event.schema, event.name) in there
        and not there[event.schema, event.name].enabled
    ]
    if not due:
        return {}
    return {Tag.EVENTS: " ".join(map(_digest, due)) if len(due) <= _ROOM else _TOO_MANY}


def settle(opened: Session, on_primary: Iterable[Event]) -> tuple[str, ...]:
    """Set events as on the primary; return those whose definer we may not set."""
    return _set(opened, on_primary)


def settle_as_noted(opened: Session, noted: str | None) -> tuple[str, ...]:
    """Set events as noted before the fence closed; all others keep the status that they had when the instance was restored.

    Raises:
        ActionRequired: there were too many to note.
    """
    if noted == _TOO_MANY:
        raise ActionRequired(
            f"more than {_ROOM} events were enabled on the old instance, which no longer tells which",
            where=f"MySQL at {opened.endpoint}",
            fix="Look for `REPLICA_SIDE_DISABLED` in information_schema.events, and enable those that must run",
        )
    due = set((noted or "").split())
    here = [event for event in events.inventory(opened) if _digest(event) in due]
    return _set(opened, [Event(event.schema, event.name, event.definer, "ENABLED") for event in here])


def _set(opened: Session, desired: Iterable[Event]) -> tuple[str, ...]:
    here = {(event.schema, event.name): event for event in events.inventory(opened)}
    left: list[str] = []
    for event in desired:
        existing = here.get((event.schema, event.name))
        if (
            existing is None
            or existing.status == event.status
            or not (event.enabled or event.status == "DISABLED")
        ):
            continue
        try:
            events.set_status(opened, event, enabled=event.enabled)
        except ActionRequired:
            # Not worth undoing a cutover: reported in the outputs, to be enabled by the definer.
            left.append(f"{event.schema}.{event.name}")
    return tuple(left)


def _digest(event: Event) -> str:
    return hashlib.sha256(f"{event.schema}.{event.name}".encode()).hexdigest()[:_DIGITS]
