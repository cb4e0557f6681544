"""Tables that a snapshot and replication may damage."""

from __future__ import annotations

from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session

__all__ = ["require_transactional"]

_SHOWN = 5
# MEMORY and BLACKHOLE tables store nothing that a snapshot could damage.
_OTHERS = (
    "SELECT table_schema AS s, table_name AS n, engine AS e FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND engine NOT IN ('InnoDB', 'MEMORY', 'BLACKHOLE')"
    " AND table_schema NOT IN (%s, %s, %s, %s)"
    " ORDER BY table_schema, table_name"
)


def require_transactional(session: Session) -> None:
    """Require that all stored tables are InnoDB: RDS's snapshots are consistent only for those.

    Raises:
        PreconditionFailed: there are other tables.
    """
    tables = [f"{row['s']}.{row['n']} ({row['e']})" for row in session.rows(_OTHERS, *SYSTEM_SCHEMAS)]
    if not tables:
        return
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    raise PreconditionFailed(
        f"some tables are not InnoDB, and a snapshot may hold damaged copies of them: {', '.join(tables[:_SHOWN])}{more}",
        where=f"MySQL at {session.endpoint}",
        fix="Convert them first (ALTER TABLE … ENGINE=InnoDB)",
        safe="Nothing was changed",
    )
