"""Purging binary logs as RDS does: what nothing holds goes, however the master user would like to keep it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dev.sandbox.mysql.sessions import AdminSession, execute, query

__all__ = ["purge_binlogs", "retention_hours"]

_HOUR = 3600.0


def retention_hours(session: AdminSession) -> int | None:
    """`binlog retention hours`; None: as soon as possible."""
    rows = query(session, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'")
    value = rows[0]["value"] if rows else None
    return None if value is None else int(value)


def purge_binlogs(
    session: AdminSession,
    data: Path,
    held: Callable[[], Iterable[str] | None],
    *,
    rotated: Callable[[], object],
    despite_retention: bool = False,
) -> list[str]:
    """Begin a new file if anything is in the current one, then purge; returns the files that went.

    `rotated` is called when a new file was begun. Purged are all files but the current one that are older than every file in `held` (managed replicas read from those)
    and, if a retention is set, older than that; none if `held` gives none. A connected replica of any kind keeps mysqld from purging
    what it reads.
    """
    if _has_content(session):
        execute(session, "FLUSH BINARY LOGS")
        rotated()
    files = [str(row["Log_name"]) for row in query(session, "SHOW BINARY LOGS")]
    # Asked only now: a replica that is being made after this begins in the last of the files, or in a newer one.
    needed = held()
    if needed is None:
        return []
    hours = None if despite_retention else retention_hours(session)
    keep_since = None if hours is None else time.time() - hours * _HOUR
    first_kept = _first_kept(files, set(needed), data, keep_since)
    execute(session, "PURGE BINARY LOGS TO %s", (first_kept,))
    left = {str(row["Log_name"]) for row in query(session, "SHOW BINARY LOGS")}
    return [file for file in files if file not in left]


def _first_kept(files: Sequence[str], held: set[str], data: Path, keep_since: float | None) -> str:
    for file in files[:-1]:
        if file in held:
            return file
        if keep_since is not None and (data / file).stat().st_mtime >= keep_since:
            return file
    return files[-1]


def _has_content(session: AdminSession) -> bool:
    """Whether the current file has more than the two events that each begins with."""
    current = query(session, "SHOW MASTER STATUS")[0]["File"]
    return len(query(session, "SHOW BINLOG EVENTS IN %s LIMIT 3", (current,))) > 2
