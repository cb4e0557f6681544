"""Proofs about writes: that a server refuses them, that none is under way, that its history stands still."""

from __future__ import annotations

import time

from foundation.errors import Retryable, WriteRefused
from foundation.waiting import Wait, until
from replication.coordinates import Coordinates, current
from replication.dialect import dialect_of
from replication.session import Session

__all__ = [
    "definition_changes",
    "end_application_sessions",
    "end_writing_sessions",
    "long_transactions",
    "read_only",
    "refused",
    "stand_still",
    "unfenceable_accounts",
    "wait_until_writable",
]

_PROBE = "DROP DATABASE IF EXISTS `rds_encrypt_fence_probe`"
"""A write that changes nothing where writes are allowed: the schema never exists."""


def read_only(session: Session) -> bool:
    """What the server says of itself; ``refused`` proves it."""
    return bool(int(session.value("SELECT @@GLOBAL.read_only")))


def refused(session: Session) -> bool:
    """Prove that the server refuses writes, by attempting one."""
    try:
        session.execute(_PROBE)
    except WriteRefused:
        return True
    return False


def stand_still(session: Session, *, pause: float = 0.1) -> Coordinates:
    """Return the coordinates of a fenced server once two looks agree.

    Raises:
        Retryable: the binlog still grows, so somebody slips past the fence.
    """
    before = current(session)
    for _ in range(20):
        time.sleep(pause)
        after = current(session)
        if after == before:
            return after
        before = after
    raise Retryable(
        f"the binlog still grows although writes are refused (now {before})",
        where=f"MySQL at {session.endpoint}",
        fix="Find the account that may write in spite of read_only (SUPER, CONNECTION_ADMIN) and stop it",
    )


def end_writing_sessions(session: Session) -> int:
    """Kill the sessions that hold a transaction with changes, that write right now, or that change a table's definition.

    Such a session keeps `read_only` from taking effect, or would only learn at its COMMIT that it lost. A definition change
    that waits for a lock is the worst: while it waits, nobody else may write either.
    """
    own = session.value("SELECT CONNECTION_ID()")
    transactions = session.rows(
        "SELECT DISTINCT trx_mysql_thread_id AS id FROM information_schema.innodb_trx"
        " WHERE trx_mysql_thread_id <> %s AND (trx_rows_modified > 0 OR trx_rows_locked > 0)",
        own,
    )
    doomed = {int(row["id"]) for row in transactions} | {
        thread for thread, _ in _definition_changes(session, 0)
    }
    for thread in doomed:
        session.call("mysql.rds_kill", thread)
    return len(doomed)


def definition_changes(session: Session, seconds: int) -> list[str]:
    """Return the statements that have been changing definitions, or waiting to, for that long, as ``thread (state)``."""
    return [f"{thread} ({state})" for thread, state in _definition_changes(session, seconds)]


def _definition_changes(session: Session, seconds: int) -> list[tuple[int, str]]:
    rows = session.rows(
        "SELECT id, COALESCE(state, '') AS state FROM information_schema.processlist"
        " WHERE id <> CONNECTION_ID() AND command = 'Query' AND time >= %s AND user <> 'system user'"
        " AND (state = 'Waiting for table metadata lock'"
        " OR info REGEXP '^[[:space:]]*(ALTER|CREATE|DROP|OPTIMIZE|RENAME|TRUNCATE|REPAIR)[[:space:]]')",
        seconds,
    )
    return [(int(row["id"]), str(row["state"])) for row in rows]


def end_application_sessions(session: Session) -> int:
    """Kill every session that is neither ours nor RDS's own nor replication's; return how many.

    Pools that hold connections to a fenced instance would go on failing there instead of connecting to the other one.
    """
    own = session.value("SELECT CONNECTION_ID()")
    found = session.rows(
        "SELECT id FROM information_schema.processlist WHERE id <> %s AND command NOT LIKE 'Binlog Dump%%'"
        " AND user NOT IN ('rdsadmin', 'rdsrepladmin', 'system user', 'event_scheduler', 'unauthenticated user')",
        own,
    )
    for row in found:
        session.call("mysql.rds_kill", int(row["id"]))
    return len(found)


def wait_until_writable(session: Session, *, deadline: float) -> None:
    """Wait until the server is no longer read-only.

    Raises:
        TimedOut: it still was after ``deadline`` seconds.
    """
    until(
        Wait(f"writes to be allowed on {session.endpoint}", deadline=deadline, first=0.05, longest=0.5),
        lambda: read_only(session),
        done=lambda on: not on,
        describe=lambda on: "read_only is on" if on else "read_only is off",
    )


def unfenceable_accounts(session: Session) -> list[str]:
    """Return the accounts that `read_only` does not stop, as ``user@host``."""
    return [f"{row['user']}@{row['host']}" for row in session.rows(dialect_of(session).unfenceable)]


def long_transactions(session: Session, seconds: int) -> list[str]:
    """Return the transactions that have been open for longer than ``seconds``, as ``thread (age)``."""
    rows = session.rows(
        "SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS age"
        " FROM information_schema.innodb_trx WHERE TIMESTAMPDIFF(SECOND, trx_started, NOW()) > %s",
        seconds,
    )
    return [f"{row['id']} ({row['age']} s)" for row in rows]
