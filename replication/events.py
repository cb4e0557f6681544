"""Scheduled events: which there are, and making them run again where they should.

Restored or replicated events may arrive disabled (REPLICA_SIDE_DISABLED, SLAVESIDE_DISABLED before 8.0.34).
"""

from __future__ import annotations

from dataclasses import dataclass

from replication.session import Session, quote_name

__all__ = ["Event", "enable", "inventory"]

_SYSTEM = ("mysql", "sys", "information_schema", "performance_schema")


@dataclass(frozen=True)
class Event:
    """One event: where it lives, whose rights it runs with, and whether it is enabled on this server."""

    schema: str
    name: str
    definer: str
    enabled: bool


def inventory(session: Session) -> list[Event]:
    """Return all events of the server, in the order of their names."""
    rows = session.rows(
        "SELECT event_schema AS s, event_name AS n, definer AS d, status AS st FROM information_schema.events"
        " WHERE event_schema NOT IN (%s, %s, %s, %s) ORDER BY event_schema, event_name",
        *_SYSTEM,
    )
    return [Event(row["s"], row["n"], row["d"], row["st"] == "ENABLED") for row in rows]


def enable(session: Session, event: Event) -> None:
    """Enable an event and leave its definer as it was: without the clause, whoever alters an event becomes its definer."""
    user, _, host = event.definer.rpartition("@")
    session.execute(
        f"ALTER DEFINER = %s@%s EVENT {quote_name(event.schema)}.{quote_name(event.name)} ENABLE", user, host
    )
