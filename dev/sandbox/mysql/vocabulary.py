"""Statements about replication in the words of MySQL 8.4 and later.

They are written in the old words, which every earlier version knows; 8.4 took them from the grammar. Of its answers, the columns get
their old names again. System variables keep their old names as aliases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pymysql.cursors import DictCursor

__all__ = ["release_of", "run", "spoken"]

_STATEMENTS = (
    ("CHANGE MASTER TO", "CHANGE REPLICATION SOURCE TO"),
    ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"),
    ("RESET MASTER", "RESET BINARY LOGS AND GTIDS"),
    (
        r"\bMASTER_(HOST|PORT|USER|PASSWORD|LOG_FILE|LOG_POS|SSL|DELAY|CONNECT_RETRY|RETRY_COUNT|AUTO_POSITION)\b",
        r"SOURCE_\1",
    ),
    (r"\b(START|STOP|RESET|SHOW) SLAVE\b", r"\1 REPLICA"),
)
_ASKED = re.compile(r"SHOW SLAVE STATUS")


def release_of(version: str) -> tuple[int, ...]:
    """What a server calls its version, as numbers: (9, 7, 4) of "9.7.4-2"."""
    return tuple(int(number) for number in version.partition("-")[0].split("."))


def spoken(statement: str, release: tuple[int, ...]) -> str:
    """The statement as a release understands it."""
    if release >= (8, 4):
        for old, new in _STATEMENTS:
            statement = re.sub(old, new, statement)
    return statement


def run(cursor: DictCursor, statement: str, values: object = None) -> list[dict[str, Any]]:
    """The rows of a statement, in the words that the server knows."""
    server = cursor.connection.get_server_info()  # type: ignore[no-untyped-call]
    cursor.execute(spoken(statement, release_of(server)), values)
    rows = list(cursor.fetchall())
    return [_under_old_names(row) for row in rows] if _ASKED.match(statement) else rows


def _under_old_names(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        re.sub("Replica(?!te)", "Slave", name.replace("Source", "Master")): value
        for name, value in row.items()
    }
