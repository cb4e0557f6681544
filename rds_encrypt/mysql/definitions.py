"""Definitions in a server's databases that matter to a migration, as far as the account can see them."""

from __future__ import annotations

from dataclasses import dataclass

from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session, quote_name

__all__ = ["TableSize", "in_memory", "orphans", "without_primary_key"]

# Two queries: 5.7 joins these views with a nested loop over the files of all tables.
_TABLES = (
    "SELECT table_schema AS s, table_name AS n, COALESCE(table_rows, 0) AS r, COALESCE(data_length, 0) AS b"
    " FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN (%s, %s, %s, %s)"
)
_KEYS = (
    "SELECT table_schema AS s, table_name AS n FROM information_schema.table_constraints"
    " WHERE constraint_type = 'PRIMARY KEY' AND table_schema NOT IN (%s, %s, %s, %s)"
)
_MEMORY = (
    "SELECT table_schema AS s, table_name AS n FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND engine = 'MEMORY' AND table_schema NOT IN (%s, %s, %s, %s)"
    " ORDER BY table_schema, table_name"
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


@dataclass(frozen=True)
class TableSize:
    """A table with its rows and its size in bytes; for InnoDB the server estimates both."""

    name: str
    rows: int
    bytes: int


def without_primary_key(session: Session) -> list[TableSize]:
    """Return the tables without a primary key, the largest first."""
    have = {(row["s"], row["n"]) for row in session.rows(_KEYS, *SYSTEM_SCHEMAS)}
    tables = [
        TableSize(f"{row['s']}.{row['n']}", int(row["r"]), int(row["b"]))
        for row in session.rows(_TABLES, *SYSTEM_SCHEMAS)
        if (row["s"], row["n"]) not in have
    ]
    return sorted(tables, key=lambda table: (-table.bytes, table.name))


def in_memory(session: Session) -> list[TableSize]:
    """Return the MEMORY tables with their rows, counted now: from 8.0 on information_schema caches statistics for a day."""
    return [
        TableSize(
            f"{row['s']}.{row['n']}",
            int(session.value(f"SELECT COUNT(*) FROM {quote_name(row['s'])}.{quote_name(row['n'])}")),  # noqa: S608 - quoted
            0,
        )
        for row in session.rows(_MEMORY, *SYSTEM_SCHEMAS)
    ]


def orphans(session: Session) -> list[str]:
    """Return the events, triggers, routines and views whose definer does not exist, as ``kind schema.name (definer)``."""
    accounts = {
        f"{row['u']}@{row['h']}" for row in session.rows("SELECT user AS u, host AS h FROM mysql.user")
    }
    return sorted(
        f"{row['k']} {row['s']}.{row['n']} ({row['d']})"
        for question in _DEFINERS
        for row in session.rows(question, *SYSTEM_SCHEMAS)
        if row["d"] and row["d"] not in accounts
    )
