"""The settings under which both servers print the same value in the same way."""

from __future__ import annotations

from replication.session import Session

__all__ = ["prepare"]


def prepare(session: Session) -> None:
    """Settle what a value's text depends on, and take away what would end a long statement."""
    session.execute("SET SESSION time_zone = '+00:00', sql_mode = '', max_execution_time = 0")
    if session.row("SHOW VARIABLES LIKE 'information_schema_stats_expiry'") is not None:
        # From 8.0 on, sizes and counters are remembered for a day.
        session.execute("SET SESSION information_schema_stats_expiry = 0")
