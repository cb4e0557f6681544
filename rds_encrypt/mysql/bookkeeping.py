"""Distinguishes what RDS itself writes to an instance's binlog from what applications write.

RDS's agent (rdsadmin) writes while no application can: it has SUPER, so read_only does not stop it. It writes a heartbeat every few minutes
and at the beginning of a binlog file, as a statement even where binlog_format is ROW, and `rds_sysinfo` around backups. Sources:
debezium DBZ-469, DBZ-1492 and DBZ-1775, maxwell #523 and #636; the tables are those of a dump of the mysql schema of an RDS 8.0.41, 2025-07.

A statement counts as RDS's only if its whole text is an INSERT, REPLACE, UPDATE or DELETE on one of these tables with only literals. MySQL
has no triggers on tables of the mysql schema, so such a statement cannot change anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rds_encrypt.mysql.session import SYSTEM_SCHEMAS

__all__ = ["BOOKKEEPING", "changes_of_applications", "schema_of_a_write"]

BOOKKEEPING = frozenset(
    {
        "rds_configuration",
        "rds_global_status_history",
        "rds_global_status_history_old",
        "rds_heartbeat2",
        "rds_history",
        "rds_monitor",
        "rds_replication_status",
        "rds_sysinfo",
    }
)
"""Tables of the mysql schema that only RDS, or its procedures, write."""

_FRAMES = frozenset(
    {
        "Rotate",
        "Format_desc",
        "Previous_gtids",
        "Stop",
        "Heartbeat",
        "Heartbeat_v2",
        "Gtid",
        "Anonymous_Gtid",
        "Xid",
        # These belong to the following statement or row change.
        "Intvar",
        "RAND",
        "User var",
        "Rows_query",
        # Its events are listed after it.
        "Transaction_payload",
    }
)
"""Binlog events that do not change data on their own."""
_ROWS = ("Write_rows", "Update_rows", "Delete_rows")

_LITERAL = r"(?:NULL|[-+]?\d+(?:\.\d+)?|'[^'\\]*')"
_NAME = r"(?:`\w+`|\w+)"
# Names are case-sensitive on RDS: MYSQL may be a schema of an application.
_TABLE = r"(?P<qualified>(?-i:mysql|`mysql`)\s*\.\s*)?(?-i:(?P<table>rds_\w+)|`(?P<quoted>rds_\w+)`)"
_ASSIGNMENT = rf"{_NAME}\s*=\s*(?:{_LITERAL}|VALUES\s*\(\s*{_NAME}\s*\))"
_ASSIGNMENTS = rf"{_ASSIGNMENT}(?:\s*,\s*{_ASSIGNMENT})*"
_CONDITION = rf"{_NAME}\s*(?:=|<>|<=?|>=?)\s*{_LITERAL}"
_WHERE = rf"(?:\s+WHERE\s+{_CONDITION}(?:\s+AND\s+{_CONDITION})*)?"
_VALUES = rf"\(\s*{_LITERAL}(?:\s*,\s*{_LITERAL})*\s*\)"
_STATEMENTS = tuple(
    re.compile(rf"(?:use `(?P<schema>[^`]*)`; )?{statement}\s*;?\s*", re.IGNORECASE)
    for statement in (
        (
            rf"(?:INSERT|REPLACE)\s+INTO\s+{_TABLE}\s*(?:\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)\s*)?"
            rf"VALUES\s*{_VALUES}(?:\s*,\s*{_VALUES})*(?:\s+ON\s+DUPLICATE\s+KEY\s+UPDATE\s+{_ASSIGNMENTS})?"
        ),
        rf"DELETE\s+FROM\s+{_TABLE}{_WHERE}",
        rf"UPDATE\s+{_TABLE}\s+SET\s+{_ASSIGNMENTS}{_WHERE}",
    )
)
_FRAMING = re.compile(r"(?:use `[^`]*`; )?(?:BEGIN|COMMIT|ROLLBACK)(?: /\*.*\*/)?", re.IGNORECASE)
_END_OF_TEMPORARY = re.compile(
    r"(?:use `[^`]*`; )?DROP (?:/\*!\d+ )?TEMPORARY (?:\*/ )?TABLE (?:IF EXISTS )?(?:(?:`[^`]+`\.)?`[^`]+`(?:, ?)?)+(?: /\*.*\*/)?",
    re.IGNORECASE,
)
"""MySQL writes this when a session with temporary tables ends, even under read_only; it changes nothing that others could see.

Source: "DROP TABLE Statement" and "read_only" in the MySQL Reference Manual; MySQL bugs #83003 and #85258.
"""
_IN_SCHEMA = re.compile(r"use `(?P<schema>[^`]*)`; ")
_TABLE_MAP = re.compile(r"table_id: (?P<id>\d+) \((?P<schema>.*)\.(?P<table>[^.]*)\)")
_TABLE_ID = re.compile(r"table_id: (?P<id>\d+)")


def changes_of_applications(events: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether anyone but RDS has made a change in these events, which SHOW BINLOG EVENTS lists starting between two transactions."""
    ours: set[str] = set()
    return any(_counts(str(event["Event_type"]), str(event["Info"]), ours) for event in events)


def schema_of_a_write(events: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the schema of the first change that certainly is an application's: one outside MySQL's own schemas.

    Unlike ``changes_of_applications``, it leaves out whatever is unknown, such as statements that RDS may run when it restarts MySQL.
    """
    for event in events:
        kind, info = str(event["Event_type"]), str(event["Info"])
        match = None
        if kind == "Table_map":
            match = _TABLE_MAP.match(info)
        elif kind == "Query" and _counts(kind, info, set()):
            match = _IN_SCHEMA.match(info)
        if match is not None and match["schema"] not in SYSTEM_SCHEMAS:
            return match["schema"]
    return None


def _counts(kind: str, info: str, ours: set[str]) -> bool:
    """Return whether one event is an application's change or unknown; ``ours`` collects the ids of RDS's tables."""
    if kind in _FRAMES:
        return False
    if kind == "Query":
        known = _FRAMING.fullmatch(info) or _END_OF_TEMPORARY.fullmatch(info)
        return not (known or _is_statement_of_rds(info))
    if kind == "Table_map":
        table = _TABLE_MAP.match(info)
        if table is None or table["schema"] != "mysql" or table["table"] not in BOOKKEEPING:
            return True
        ours.add(table["id"])
        return False
    if kind.startswith(_ROWS):
        identity = _TABLE_ID.match(info)
        return identity is None or identity["id"] not in ours
    return True


def _is_statement_of_rds(text: str) -> bool:
    for statement in _STATEMENTS:
        match = statement.fullmatch(text)
        if match is not None:
            in_mysql = match["qualified"] is not None or match["schema"] == "mysql"
            return in_mysql and (match["table"] or match["quoted"]) in BOOKKEEPING
    return False
