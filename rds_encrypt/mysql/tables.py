"""Tables that a snapshot and replication cannot be trusted with."""

from __future__ import annotations

from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session

__all__ = ["require_transactional"]

_SHOWN = 5
# Tables of MEMORY and BLACKHOLE keep nothing that a snapshot could damage.
_OTHERS = (
    "SELECT table_schema AS s, table_name AS n, engine AS e FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND engine NOT IN ('InnoDB', 'MEMORY', 'BLACKHOLE')"
    " AND table_schema NOT IN (%s, %s, %s, %s)"
    " ORDER BY table_schema, table_name"
)


def require_transactional(session: Session) -> None:
    """Require that what the server keeps is in InnoDB: RDS's snapshots are consistent for that only.

    Raises:
        PreconditionFailed: there are other tables.
    """
    found = [f"{row['s']}.{row['n']} ({row['e']})" for row in session.rows(_OTHERS, *SYSTEM_SCHEMAS)]
    if not found:
        return
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise PreconditionFailed(
        f"not all tables are InnoDB, and a snapshot may hold others damaged: {', '.join(found[:_SHOWN])}{more}",
        where=f"MySQL at {session.endpoint}",
        fix="Convert them first (ALTER TABLE … ENGINE=InnoDB)",
        safe="Nothing was changed",
    )
