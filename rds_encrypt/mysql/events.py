"""Scheduled events and triggers: lists them, and enables or disables events.

Restored or replicated events may arrive disabled (REPLICA_SIDE_DISABLED, SLAVESIDE_DISABLED before 8.0.34).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session, quote_name

__all__ = ["Event", "inventory", "set_status", "triggers"]


@dataclass(frozen=True)
class Event:
    """One event: its schema and name, its definer, and its status on this server.

    ``status`` is ENABLED, DISABLED, or REPLICA_SIDE_DISABLED, which a replica sets when it executes CREATE EVENT or ALTER EVENT.
    """

    schema: str
    name: str
    definer: str
    status: str

    @property
    def enabled(self) -> bool:
        """Whether it fires here, if the scheduler runs."""
        return self.status == "ENABLED"


def inventory(session: Session) -> list[Event]:
    """Return all events of the server, ordered by name."""
    rows = session.rows(
        "SELECT event_schema AS s, event_name AS n, definer AS d, status AS st FROM information_schema.events"
        " WHERE event_schema NOT IN (%s, %s, %s, %s) ORDER BY event_schema, event_name",
        *SYSTEM_SCHEMAS,
    )
    return [Event(row["s"], row["n"], row["d"], row["st"]) for row in rows]


def triggers(session: Session) -> set[str]:
    """Return all triggers of the server, as ``schema.trigger on table, when``."""
    rows = session.rows(
        "SELECT trigger_schema AS s, trigger_name AS n, event_object_table AS t, action_timing AS w, event_manipulation AS e"
        " FROM information_schema.triggers WHERE trigger_schema NOT IN (%s, %s, %s, %s)",
        *SYSTEM_SCHEMAS,
    )
    return {f"{row['s']}.{row['n']} on {row['t']}, {row['w'].lower()} {row['e'].lower()}" for row in rows}


def set_status(session: Session, event: Event, *, enabled: bool) -> None:
    """Enable or disable an event and leave everything else as it was.

    ALTER EVENT makes the caller the definer unless it names another, and stores the character sets of the session.
    """
    user, _, host = event.definer.rpartition("@")
    # A percent sign in a name must not be read as a placeholder.
    name = f"{quote_name(event.schema)}.{quote_name(event.name)}".replace("%", "%%")
    kept = session.row(
        "SELECT character_set_client AS client, collation_connection AS collation FROM information_schema.events"
        " WHERE event_schema = %s AND event_name = %s",
        event.schema,
        event.name,
    )
    with session.character_set(kept["client"], kept["collation"]) if kept else nullcontext():
        session.execute(
            f"ALTER DEFINER = %s@%s EVENT {name} {'ENABLE' if enabled else 'DISABLE'}",
            user,
            host,
        )
