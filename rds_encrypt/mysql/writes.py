"""Proofs about writes: that a server refuses them, that none is in progress, that its binlog no longer grows."""

from __future__ import annotations

import time

from rds_encrypt.core.errors import (
    ActionRequired,
    ProcedureRefused,
    Retryable,
    SessionGone,
    TimedOut,
    WriteRefused,
)
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.mysql.coordinates import Coordinates, current, wrote_since
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.rds_accounts import RDS_THREADS, RDS_USERS
from rds_encrypt.mysql.session import Session

__all__ = [
    "application_sessions",
    "definition_changes",
    "end_application_sessions",
    "end_writing_sessions",
    "long_transactions",
    "prepared_transactions",
    "read_only",
    "refused",
    "require_settled",
    "sessions_of_our_account",
    "settled_coordinates",
    "unfenceable_accounts",
    "wait_until_writable",
]

_PROBE = "DROP DATABASE IF EXISTS `rds_encrypt_fence_probe`"
"""A write that changes nothing where writes are allowed: the schema never exists."""


def read_only(session: Session) -> bool:
    """Return whether the server reports read_only; ``refused`` proves it."""
    return bool(int(session.value("SELECT @@GLOBAL.read_only")))


def refused(session: Session) -> bool:
    """Prove that the server refuses writes, by attempting one."""
    try:
        session.execute(_PROBE)
    except WriteRefused:
        return True
    return False


def settled_coordinates(session: Session, *, pause: float = 0.1) -> Coordinates:
    """Return the coordinates of a fenced server once only RDS has written between two checks.

    Raises:
        Retryable: the binlog still grows, so an account bypasses the fence.
    """
    before = current(session)
    for _ in range(20):
        time.sleep(pause)
        after = current(session)
        if after == before or not wrote_since(session, before):
            return after
        before = after
    raise Retryable(
        f"the binlog still grows although the server refuses writes (now {before})",
        where=f"MySQL at {session.endpoint}",
        fix="Find the account that can write despite read_only (SUPER, CONNECTION_ADMIN) and stop it",
    )


def end_writing_sessions(session: Session) -> int:
    """Kill the sessions that hold a transaction with changes, that are writing, or that change a table's definition.

    Such a session delays `read_only`, or its COMMIT fails later. A definition change that waits for a lock is the worst: while it
    waits, no other session can write either.
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
    if doomed:
        # They may include an applier, whose transaction belongs to replication; RDS's procedure would end it.
        doomed -= _threads_of_rds(session)
    for thread in doomed:
        _end(session, thread)
    return len(doomed)


def _threads_of_rds(session: Session) -> set[int]:
    rows = session.rows("SELECT id AS id FROM information_schema.processlist WHERE user IN %s", RDS_THREADS)
    return {int(row["id"]) for row in rows}


def definition_changes(session: Session, seconds: int) -> list[str]:
    """Return the statements that have changed definitions, or waited to, for ``seconds`` or longer, as ``thread (state)``."""
    return [f"{thread} ({state})" for thread, state in _definition_changes(session, seconds)]


def _definition_changes(session: Session, seconds: int) -> list[tuple[int, str]]:
    rows = session.rows(
        "SELECT id, COALESCE(state, '') AS state FROM information_schema.processlist"
        " WHERE id <> CONNECTION_ID() AND command = 'Query' AND time >= %s AND user NOT IN %s"
        " AND (state = 'Waiting for table metadata lock'"
        " OR info REGEXP '^[[:space:]]*(ALTER|CREATE|DROP|OPTIMIZE|RENAME|TRUNCATE|REPAIR)[[:space:]]')",
        seconds,
        RDS_THREADS,
    )
    return [(int(row["id"]), str(row["state"])) for row in rows]


def application_sessions(session: Session) -> list[int]:
    """Return the sessions except this one, RDS's own and replication's."""
    found = session.rows(
        "SELECT id AS id FROM information_schema.processlist"
        " WHERE id <> CONNECTION_ID() AND command NOT LIKE 'Binlog Dump%%' AND user NOT IN %s",
        RDS_THREADS,
    )
    return [int(row["id"]) for row in found]


def end_application_sessions(session: Session) -> int:
    """Kill every session of an application, and return their number.

    Otherwise pools that hold connections to a fenced instance would keep failing instead of connecting to the other one.
    """
    found = application_sessions(session)
    for thread in found:
        _end(session, thread)
    return len(found)


def _end(session: Session, thread: int) -> None:
    try:
        session.call("mysql.rds_kill", thread)
    except SessionGone:
        return  # the session ended between the check and the call
    except ProcedureRefused:
        return  # RDS protects its own threads; `require_settled` finds a transaction that one of them leaves open


def sessions_of_our_account(session: Session) -> list[str]:
    """Return the other sessions that use this session's account."""
    rows = session.rows(
        "SELECT id AS id FROM information_schema.processlist"
        " WHERE id <> CONNECTION_ID() AND user = SUBSTRING_INDEX(USER(), '@', 1)"
    )
    return [str(row["id"]) for row in rows]


def prepared_transactions(session: Session) -> int:
    """Return the number of XA transactions without a session that wait for a COMMIT, which `read_only` would allow.

    XA RECOVER would not do: from 8.0 on it requires a privilege that RDS's master users have only since 8.0.36.
    """
    return int(
        session.value(
            "SELECT COUNT(*) FROM information_schema.innodb_trx"
            " WHERE trx_mysql_thread_id = 0 AND trx_rows_modified > 0 AND trx_state <> 'ROLLING BACK'"
        )
    )


def require_settled(session: Session, *, deadline: float = 5.0) -> None:
    """Wait until no transaction holds changes, on a fenced server whose writing sessions were killed.

    Raises:
        ActionRequired: one still does, so a client could commit it behind the fence.
    """
    try:
        until(
            Wait(f"transactions on {session.endpoint} to end", deadline=deadline, first=0.05, longest=0.3),
            lambda: _unsettled(session),
            done=lambda left: not left,
            describe=str,
        )
    except TimedOut as error:
        raise ActionRequired(
            "a prepared (XA) transaction could be committed behind the fence",
            where=f"MySQL at {session.endpoint}",
            fix="`XA RECOVER` lists them: commit or roll them back, then run `pulumi up` again",
        ) from error


def _unsettled(session: Session) -> list[int]:
    rows = session.rows(
        "SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx"
        " WHERE trx_mysql_thread_id <> CONNECTION_ID() AND trx_rows_modified > 0 AND trx_state <> 'ROLLING BACK'"
    )
    return [int(row["id"]) for row in rows]


def wait_until_writable(session: Session, *, deadline: float) -> None:
    """Wait until the server is no longer read-only.

    Raises:
        TimedOut: it was still read-only after ``deadline`` seconds.
    """
    until(
        Wait(f"writes to be allowed on {session.endpoint}", deadline=deadline, first=0.05, longest=0.1),
        lambda: read_only(session),
        done=lambda on: not on,
        describe=lambda on: "read_only is on" if on else "read_only is off",
    )


def unfenceable_accounts(session: Session) -> list[str]:
    """Return the accounts that `read_only` does not stop, as ``user@host``."""
    return [
        f"{row['user']}@{row['host']}" for row in session.rows(dialect_of(session).unfenceable, RDS_USERS)
    ]


def long_transactions(session: Session, seconds: int) -> list[str]:
    """Return the transactions that have been open for longer than ``seconds``, as ``thread (age)``, without replication's."""
    rows = session.rows(
        "SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS age"
        " FROM information_schema.innodb_trx WHERE TIMESTAMPDIFF(SECOND, trx_started, NOW()) > %s",
        seconds,
    )
    spared = _threads_of_rds(session) if rows else set()
    return [f"{row['id']} ({row['age']} s)" for row in rows if int(row["id"]) not in spared]
