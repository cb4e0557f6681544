"""Sessions of rdsadmin over a server's unix socket."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from dev.sandbox.mysql.vocabulary import run

__all__ = ["ADMIN", "SOCKET", "AdminSession", "admin_session", "end_all", "end_those_of", "execute", "query"]

_NO_SUCH_THREAD = 1094
_MYSQLS_OWN = {"system user", "event_scheduler"}
_ENDING = 1.0
# What a session must not take from the instance's parameter group.
_PINNED = (
    "SET SESSION sql_log_bin = 0, autocommit = 1, sql_mode = '', sql_safe_updates = 0, sql_select_limit = 18446744073709551615, "
    "max_execution_time = 0, wait_timeout = 28800, lock_wait_timeout = 60, innodb_lock_wait_timeout = 50"
)

ADMIN = "rdsadmin"
SOCKET = "mysqld.sock"

# A string: the class is generic in its type stubs only.
AdminSession: TypeAlias = "Connection[DictCursor]"


@contextmanager
def admin_session(
    directory: Path, password: str, *, user: str = ADMIN, timeout: float = 10.0
) -> Iterator[AdminSession]:
    """A session that is not written to the binary log: what the host does on a server is its own affair."""
    # Through an open directory, since the address of a unix socket may have 107 characters only.
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        session = pymysql.connect(
            unix_socket=f"/proc/self/fd/{handle}/{SOCKET}",
            user=user,
            password=password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=timeout,
            read_timeout=600,
            ssl_disabled=True,
            cursorclass=DictCursor,
        )
    except pymysql.err.OperationalError as error:
        # PyMySQL's frame holds the socket, and the error the frame, until a garbage collection comes to it.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        os.close(handle)
    with session:
        execute(session, _PINNED)
        yield session


def execute(session: AdminSession, statement: str, values: tuple[object, ...] = ()) -> int:
    """Run a statement for its effect; returns the rows it changed."""
    with session.cursor() as cursor:
        run(cursor, statement, values or None)
        return int(cursor.rowcount)


def query(session: AdminSession, statement: str, values: tuple[object, ...] = ()) -> list[dict[str, Any]]:
    """The rows of a statement."""
    with session.cursor() as cursor:
        return run(cursor, statement, values or None)


def end_all(session: AdminSession) -> None:
    """End every other session, replication's and the event scheduler's too, until the server starts again.

    Newcomers hear "too many connections" (1040), or a replica would be back within milliseconds.
    """
    execute(session, "SET GLOBAL max_connections = 1")
    execute(session, "SET GLOBAL event_scheduler = OFF")
    if query(session, "SHOW SLAVE STATUS"):
        execute(session, "STOP SLAVE")
    end = time.monotonic() + _ENDING
    while others := [other for other in _others(session) if other["User"] not in _MYSQLS_OWN]:
        _kill(session, others)
        if time.monotonic() > end:
            return  # mysqld's shutdown deals with those that are slow to notice
        time.sleep(0.02)


def end_those_of(session: AdminSession, user: str) -> None:
    """End the sessions of an account."""
    _kill(session, [other for other in _others(session) if other["User"] == user])


def _others(session: AdminSession) -> list[dict[str, Any]]:
    """Not from information_schema: 9.7 cannot read that while somebody's statement has an emoji in it."""
    own = query(session, "SELECT CONNECTION_ID() AS id")[0]["id"]
    return [row for row in query(session, "SHOW PROCESSLIST") if row["Id"] != own]


def _kill(session: AdminSession, others: list[dict[str, Any]]) -> None:
    for other in others:
        try:
            execute(session, "KILL CONNECTION %s", (other["Id"],))
        except pymysql.err.MySQLError as error:
            if error.args[0] != _NO_SUCH_THREAD:  # it ended by itself
                raise
