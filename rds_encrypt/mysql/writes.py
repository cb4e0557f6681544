"""Proofs about writes: that a server refuses them, that none is in progress, that its binlog no longer grows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from typing import TypeVar

from rds_encrypt.core.errors import (
    ActionRequired,
    ProcedureRefused,
    Retryable,
    SessionGone,
    TimedOut,
    WriteRefused,
)
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.mysql.connected_clients import application_sessions, logins, of_applications, other_sessions
from rds_encrypt.mysql.coordinates import Coordinates, current, wrote_since
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.rds_accounts import RDS_THREADS, RDS_USERS
from rds_encrypt.mysql.session import Row, Session

__all__ = [
    "definition_changes",
    "end_application_sessions",
    "end_logins",
    "end_writing_sessions",
    "long_transactions",
    "prepared_transactions",
    "read_only",
    "read_only_waits",
    "refused",
    "require_settled",
    "sessions_of_our_account",
    "settled_coordinates",
    "unfenceable_accounts",
    "wait_until_writable",
]

T = TypeVar("T")

_LOCKS_OF_READ_ONLY = {"Waiting for global read lock", "Waiting for commit lock"}
"""States of a session that sets `read_only` ("General thread states", MySQL Reference Manual)."""
_SETS_READ_ONLY = re.compile(r"\s*SET\s+(@@)?GLOBAL[\s.]+read_only\b", re.IGNORECASE)
_PROBE = "DROP DATABASE IF EXISTS `rds_encrypt_fence_probe`"
"""A write that changes nothing where writes are allowed: the schema never exists."""
_DEFINES = re.compile(r"\s*(ALTER|CREATE|DROP|OPTIMIZE|RENAME|TRUNCATE|REPAIR)\s", re.IGNORECASE)
_PATIENCE = 2.0
"""Seconds for which to ask for a list again."""


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


def read_only_waits(session: Session) -> bool:
    """Whether RDS has told the server to be read-only, and the server waits for sessions that write."""
    return any(
        row["State"] in _LOCKS_OF_READ_ONLY or _SETS_READ_ONLY.match(row["Info"] or "")
        for row in other_sessions(session)
    )


def end_writing_sessions(session: Session) -> int:
    """Kill the sessions that hold a transaction with changes, that are writing, or that change a table's definition.

    Such a session delays `read_only`, or its COMMIT fails later. A definition change that waits for a lock is the worst: while it
    waits, no other session can write either.
    """
    transactions = _transactions(
        session,
        "trx_mysql_thread_id <> CONNECTION_ID() AND (trx_rows_modified > 0 OR trx_rows_locked > 0)",
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


def _transactions(session: Session, condition: str, *arguments: object) -> list[Row]:
    """Read InnoDB's list of transactions, with their threads and their ages."""
    statement = (
        "SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS age"  # noqa: S608 - our own text
        f" FROM information_schema.innodb_trx WHERE {condition}"
    )
    return _listed(lambda: session.rows(statement, *arguments))


def _listed(ask: Callable[[], T]) -> T:
    """Repeat, for a while, a request that MySQL 9.7 refuses while a statement with a character that utf8mb3 lacks, such as an emoji, runs.

    It fails on information_schema's lists of transactions and of processes, which have the statements' text. RDS's procedure may read
    them, too. Most statements are short.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return ask()
        except Retryable:
            if time.monotonic() > end:
                raise
            time.sleep(0.15)  # InnoDB keeps its answer for those who ask again within 0.1 s


def _threads_of_rds(session: Session) -> set[int]:
    return {int(row["Id"]) for row in other_sessions(session) if row["User"] in RDS_THREADS}


def definition_changes(session: Session, seconds: int) -> list[str]:
    """Return the statements that have changed definitions, or waited to, for ``seconds`` or longer, as ``thread (state)``."""
    return [f"{thread} ({state})" for thread, state in _definition_changes(session, seconds)]


def _definition_changes(session: Session, seconds: int) -> list[tuple[int, str]]:
    return [
        (int(row["Id"]), str(row["State"] or ""))
        for row in other_sessions(session)
        if row["Command"] == "Query" and int(row["Time"] or 0) >= seconds and row["User"] not in RDS_THREADS
        if row["State"] == "Waiting for table metadata lock" or _DEFINES.match(row["Info"] or "")
    ]


def end_application_sessions(session: Session) -> int:
    """Kill every session of an application, and return their number.

    Otherwise pools that hold connections to a fenced instance would keep failing instead of connecting to the other one.
    """
    threads = application_sessions(session)
    for thread in threads:
        _end(session, thread)
    return len(threads)


def end_logins(session: Session, begun: Collection[int]) -> int:
    """Kill those of the connections ``begun`` that have not logged in yet, and return their number.

    MySQL reads whether an account is locked when a login begins, so one that began before the lock succeeds after it.
    """
    threads = logins(session).intersection(begun)
    for thread in threads:
        _end(session, thread)
    return len(threads)


def _end(session: Session, thread: int) -> None:
    try:
        _listed(lambda: session.call("mysql.rds_kill", thread))
    except SessionGone:
        return  # the session ended between the check and the call
    except ProcedureRefused:
        return  # RDS protects its own threads; `require_settled` finds a transaction that one of them leaves open


def sessions_of_our_account(session: Session) -> list[str]:
    """Return the other sessions that use this session's account."""
    user, _, _ = str(session.value("SELECT USER()")).rpartition("@")
    return [str(row["Id"]) for row in of_applications(session) if row["User"] == user]


def prepared_transactions(session: Session) -> int:
    """Return the number of XA transactions without a session that wait for a COMMIT, which `read_only` would allow.

    XA RECOVER would not do: from 8.0 on it requires a privilege that RDS's master users have only since 8.0.36.
    """
    return len(
        _transactions(
            session, "trx_mysql_thread_id = 0 AND trx_rows_modified > 0 AND trx_state <> 'ROLLING BACK'"
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
    condition = (
        "trx_mysql_thread_id <> CONNECTION_ID() AND trx_rows_modified > 0 AND trx_state <> 'ROLLING BACK'"
    )
    return [int(row["id"]) for row in _transactions(session, condition)]


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
    rows = _transactions(session, "TIMESTAMPDIFF(SECOND, trx_started, NOW()) > %s", seconds)
    spared = _threads_of_rds(session) if rows else set()
    return [f"{row['id']} ({row['age']} s)" for row in rows if int(row["id"]) not in spared]
