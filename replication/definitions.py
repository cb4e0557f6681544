"""What is defined in the databases of a server that a migration should know of, as far as the account may see it."""

from __future__ import annotations

from replication.session import SYSTEM_SCHEMAS, Session

__all__ = ["orphans", "without_primary_key"]

# Two questions: 5.7 answers a join of such views with a nested loop over the files of all tables.
_TABLES = (
    "SELECT table_schema AS s, table_name AS n FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN (%s, %s, %s, %s)"
)
_KEYS = (
    "SELECT table_schema AS s, table_name AS n FROM information_schema.table_constraints"
    " WHERE constraint_type = 'PRIMARY KEY' AND table_schema NOT IN (%s, %s, %s, %s)"
)
_DEFINERS = (
    (
        "SELECT 'event' AS k, event_schema AS s, event_name AS n, definer AS d FROM information_schema.events"
        " WHERE event_schema NOT IN (%s, %s, %s, %s)"
    ),
    (
        "SELECT 'trigger' AS k, trigger_schema AS s, trigger_name AS n, definer AS d FROM information_schema.triggers"
        " WHERE trigger_schema NOT IN (%s, %s, %s, %s)"
    ),
    (
        "SELECT LOWER(routine_type) AS k, routine_schema AS s, routine_name AS n, definer AS d FROM information_schema.routines"
        " WHERE routine_schema NOT IN (%s, %s, %s, %s) AND security_type = 'DEFINER'"
    ),
    (
        "SELECT 'view' AS k, table_schema AS s, table_name AS n, definer AS d FROM information_schema.views"
        " WHERE table_schema NOT IN (%s, %s, %s, %s) AND security_type = 'DEFINER'"
    ),
)


def without_primary_key(session: Session) -> list[str]:
    """Return the tables that have none, as ``schema.table``."""
    have = {(row["s"], row["n"]) for row in session.rows(_KEYS, *SYSTEM_SCHEMAS)}
    tables = session.rows(_TABLES, *SYSTEM_SCHEMAS)
    return sorted(f"{row['s']}.{row['n']}" for row in tables if (row["s"], row["n"]) not in have)


def orphans(session: Session) -> list[str]:
    """Return the events, triggers, routines and views whose definer is no account, as ``kind schema.name (definer)``."""
    accounts = {
        f"{row['u']}@{row['h']}" for row in session.rows("SELECT user AS u, host AS h FROM mysql.user")
    }
    return sorted(
        f"{row['k']} {row['s']}.{row['n']} ({row['d']})"
        for question in _DEFINERS
        for row in session.rows(question, *SYSTEM_SCHEMAS)
        if row["d"] and row["d"] not in accounts
    )
