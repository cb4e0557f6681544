"""Executed GTID sets of two servers, of which one follows the other."""

from __future__ import annotations

import time
from typing import Any

from dev.workload.database import rows, value
from rds_encrypt.rehearse.client import Connection

__all__ = ["mismatches"]

_RDS_WRITES = ("mysql.rds_heartbeat2", "mysql.rds_sysinfo")
"""RDS writes these to each instance's own binlog, under `read_only` too: the other side never executes these transactions."""


def mismatches(primary: Connection, follower: Connection, patience: float = 60.0) -> list[str]:
    """Return, as sentences, what only one of the two has executed, without RDS's own transactions.

    What the follower lacks may be on its way, so it has ``patience`` seconds for what the primary had executed at first.
    """
    upto, end = _executed(primary), time.monotonic() + patience
    while (lacking := _alone(primary, upto, _executed(follower))) and time.monotonic() < end:
        time.sleep(0.3)
    errant = _alone(follower, _executed(follower), _executed(primary))
    return [
        *(f"the follower has not executed {text}" for text in lacking[:3]),
        *(f"the follower has an errant transaction, {text}" for text in errant[:3]),
    ]


def _executed(connection: Connection) -> str:
    return str(value(connection, "SELECT @@gtid_executed"))


def _alone(connection: Connection, executed: str, elsewhere: str) -> list[str]:
    """Return the events of transactions that are in one set only, from the binlogs of the server that executed them."""
    alone = value(connection, "SELECT GTID_SUBTRACT(%s, %s)", executed, elsewhere)
    events: list[str] = []
    for file in rows(connection, "SHOW BINARY LOGS") if alone else []:
        inside = False
        for event in rows(connection, "SHOW BINLOG EVENTS IN %s", file["Log_name"]):
            if event["Event_type"] == "Gtid":
                inside = _is_in(connection, event, alone)
            elif event["Event_type"] in {"Rotate", "Stop"}:
                inside = False
            elif inside and not str(event["Info"]).startswith(("BEGIN", "COMMIT")):
                events.append(str(event["Info"]))
    return [text for text in events if not any(table in text for table in _RDS_WRITES)]


def _is_in(connection: Connection, event: dict[str, Any], gtids: str) -> bool:
    _, gtid, _ = str(event["Info"]).split("'")
    return bool(value(connection, "SELECT GTID_SUBSET(%s, %s)", gtid, gtids))
