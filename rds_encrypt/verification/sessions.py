"""What a comparison's session needs beyond what every session pins (``rds_encrypt.mysql.session_variables``)."""

from __future__ import annotations

from rds_encrypt.mysql.session import Session

__all__ = ["prepare"]


def prepare(session: Session) -> None:
    """Let sizes and counters be those of now."""
    if session.row("SHOW VARIABLES LIKE 'information_schema_stats_expiry'") is not None:
        # From 8.0 on, sizes and counters are remembered for a day.
        session.execute("SET SESSION information_schema_stats_expiry = 0")
