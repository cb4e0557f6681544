"""Session settings of a comparison, beyond those that every session pins (``rds_encrypt.mysql.session_variables``)."""

from __future__ import annotations

from rds_encrypt.mysql.session import Session

__all__ = ["prepare"]


def prepare(session: Session) -> None:
    """Make the server report current sizes and counters."""
    if session.row("SHOW VARIABLES LIKE 'information_schema_stats_expiry'") is not None:
        # From 8.0 on, MySQL caches sizes and counters for a day.
        session.execute("SET SESSION information_schema_stats_expiry = 0")
