"""Distinguishes what RDS itself writes to an instance's binlog from what applications write.

RDS's agent (rdsadmin) writes while no application can: it has SUPER, so read_only does not stop it. It writes a heartbeat every few minutes
and at the beginning of a binlog file, as a statement even where binlog_format is ROW, and `rds_sysinfo` around backups. Sources:
debezium DBZ-469, DBZ-1492 and DBZ-1775, maxwell #523 and #636; the tables are those of a dump of the mysql schema of an RDS 8.0.41, 2025-07.

A statement counts as RDS's only if its whole text is an INSERT, REPLACE, UPDATE or DELETE on one of these tables with only literals. MySQL
has no triggers on tables of the mysql schema, so such a statement cannot change anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["BOOKKEEPING", "Change", "changes"]

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
_OF_TEMPORARY = re.compile(
    r"(?:use `[^`]*`; )?(?:"
    r"DROP (?:/\*!\d+ )?TEMPORARY (?:\*/ )?TABLE (?:IF EXISTS )?(?:(?:`[^`]+`\.)?`[^`]+`(?:, ?)?)+(?: /\*.*\*/)?"
    r"|CREATE\s+TEMPORARY\s+TABLE\s.*)",
    re.IGNORECASE | re.DOTALL,
)
"""What MySQL may log of temporary tables, even under read_only; it changes nothing that others could see.

It logs their end with their session, and with binlog_format STATEMENT, on 5.7 also MIXED, their creation and their rows.
Source: "DROP TABLE Statement" and "read_only" in the MySQL Reference Manual; MySQL bugs #83003 and #85258.
"""
_LOCAL = r"(?:`[^`]+`|[\w$]+)"
_ONE_TABLE = re.compile(
    r"(?:use `(?P<default>[^`]*)`; )?\s*(?:/\*(?![!+])(?:(?!\*/).)*\*/\s*)*"
    r"(?:(?:INSERT|REPLACE)(?:\s+(?:LOW_PRIORITY|HIGH_PRIORITY|DELAYED|IGNORE))*(?:\s+INTO)?|UPDATE(?:\s+(?:LOW_PRIORITY|IGNORE))*"
    r"|DELETE(?:\s+(?:LOW_PRIORITY|QUICK|IGNORE))*\s+FROM|TRUNCATE(?:\s+TABLE)?|ALTER\s+TABLE)\s+"
    rf"(?:(?P<schema>{_LOCAL})\s*\.\s*)?(?P<table>{_LOCAL})"
    r"(?:\s*\(.*|\s+(?:VALUES?|SELECT|SET|WHERE|ORDER|LIMIT|ADD|DROP|MODIFY|CHANGE|ALTER)\b.*|\s*)",
    re.IGNORECASE | re.DOTALL,
)
"""A statement that plainly changes a single table. A statement that joins tables, or is written otherwise, does not match."""
_TABLE_MAP = re.compile(r"table_id: (?P<id>\d+) \((?P<schema>.*)\.(?P<table>[^.]*)\)")
_TABLE_ID = re.compile(r"table_id: (?P<id>\d+)")


@dataclass(frozen=True)
class Change:
    """A change that RDS did not make, or that nobody knows.

    Attributes:
        schema, table: the table that it changes; ``None`` if unknown.
        by_statement: a statement with that name, which may mean a temporary table. Changes of rows never do.
    """

    schema: str | None = None
    table: str | None = None
    by_statement: bool = False


def changes(events: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """Yield all changes but RDS's own in these events, which SHOW BINLOG EVENTS lists starting between two transactions."""
    ours: set[str] = set()
    for event in events:
        change = _change(str(event["Event_type"]), str(event["Info"]), ours)
        if change is not None:
            yield change


def _change(kind: str, info: str, ours: set[str]) -> Change | None:
    """Return the change of one event, ``None`` if it makes none or it is RDS's; ``ours`` collects the ids of RDS's tables."""
    if kind in _FRAMES:
        return None
    if kind == "Query":
        harmless = _FRAMING.fullmatch(info) or _OF_TEMPORARY.fullmatch(info)
        return None if harmless or _is_statement_of_rds(info) else _changed_by(info)
    if kind == "Table_map" and (table := _TABLE_MAP.match(info)):
        if table["schema"] != "mysql" or table["table"] not in BOOKKEEPING:
            return Change(table["schema"], table["table"])
        ours.add(table["id"])
        return None
    if kind.startswith(_ROWS) and (identity := _TABLE_ID.match(info)) and identity["id"] in ours:
        return None
    return Change()


def _changed_by(text: str) -> Change:
    """Return the change that a statement makes: of a table, if it plainly names a single one."""
    match = _ONE_TABLE.fullmatch(text)
    if match is None:
        return Change()
    schema = match["schema"].strip("`") if match["schema"] else match["default"]
    return Change(schema, match["table"].strip("`"), by_statement=True) if schema else Change()


def _is_statement_of_rds(text: str) -> bool:
    for statement in _STATEMENTS:
        match = statement.fullmatch(text)
        if match is not None:
            in_mysql = match["qualified"] is not None or match["schema"] == "mysql"
            return in_mysql and (match["table"] or match["quoted"]) in BOOKKEEPING
    return False
