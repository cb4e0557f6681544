"""What RDS writes into an instance's binary log by itself: its heartbeat, and a mark around each backup.

Both are logged as statements whatever `binlog_format` says, with `mysql` as the default database (debezium DBZ-469,
DBZ-1492 and pull request 5115, maxwell #523 and #636, mypipe #16, vitess pull request 5966). That the heartbeat is the
first event of a new file is in the same threads. Whether `read_only` silences it is not known: both can be had.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from dev.sandbox.mysql.sessions import AdminSession, execute, query

__all__ = ["Bookkeeping", "heartbeat", "mark_backup"]

# A stuck session must not hold the host up.
_LOGGED = (
    "SET SESSION sql_log_bin = 1, binlog_format = 'STATEMENT', transaction_isolation = 'REPEATABLE-READ', "
    "lock_wait_timeout = 2, innodb_lock_wait_timeout = 2"
)
_QUALIFIED = "INSERT INTO mysql.rds_heartbeat2(id, value) values (1,%s) ON DUPLICATE KEY UPDATE value = %s"
_UNQUALIFIED = "INSERT INTO rds_heartbeat2(id, value) values (1,%s) ON DUPLICATE KEY UPDATE value = %s"
_MARK = "innodb_txn_key"


@dataclass(frozen=True)
class Bookkeeping:
    """How RDS keeps its books on all instances."""

    under_read_only: bool = True
    qualified: bool = True
    """Whether the heartbeat names the schema of its table."""


def heartbeat(session: AdminSession, how: Bookkeeping) -> bool:
    """Write a heartbeat; False where there is no binary log, or `read_only` silences it."""
    if not _may_write(session, how):
        return False
    now = time.time_ns() // 1_000_000
    execute(session, _QUALIFIED if how.qualified else _UNQUALIFIED, (now, now))
    return True


def mark_backup(session: AdminSession, how: Bookkeeping) -> bool:
    """Note that a backup begins."""
    if not _may_write(session, how):
        return False
    execute(session, "DELETE FROM mysql.rds_sysinfo where name = %s", (_MARK,))
    execute(
        session,
        "INSERT INTO mysql.rds_sysinfo(name, value) values (%s,%s)",
        (_MARK, time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime())),
    )
    return True


def _may_write(session: AdminSession, how: Bookkeeping) -> bool:
    state = query(session, "SELECT @@global.log_bin AS log_bin, @@global.read_only AS held")[0]
    if not state["log_bin"] or (state["held"] and not how.under_read_only):
        return False
    execute(session, "USE mysql")
    execute(session, _LOGGED)
    return True
