"""The variables that a session depends on, each with a fixed value.

A session starts with the global values of the owner's parameter group, which can be anything. What a statement of rds-encrypt returns,
whether it completes, and whether RDS's procedures accept it must not depend on that group.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COLLATION", "PINNED", "pinning"]

COLLATION = "utf8mb4_general_ci"
"""The collation of statements; every version has it, while the default of utf8mb4 differs."""

_DAY = 24 * 60 * 60
_UNLIMITED = 2**64 - 1

Version = tuple[int, int, int]


@dataclass(frozen=True)
class _Variable:
    """One variable: its value as written in a SET statement, and the first version that has it."""

    name: str
    value: str
    since: Version = (5, 7, 0)


PINNED = (
    # PyMySQL trusts the flag in the handshake and sends nothing. RDS's procedures fail in a transaction (1694); the next two variables
    # could start one after a COMMIT, or refuse all writes.
    _Variable("autocommit", "1"),
    _Variable("completion_type", "'NO_CHAIN'"),
    _Variable("transaction_read_only", "0", since=(5, 7, 20)),
    # MySQL's default. SERIALIZABLE would let reads lock rows; READ COMMITTED refuses statements where binlog_format is STATEMENT.
    _Variable("transaction_isolation", "'REPEATABLE-READ'", since=(5, 7, 20)),
    # The mode that changes least: standard quotes and backslashes, no padding, and complete SHOW CREATE output.
    _Variable("sql_mode", "''"),
    # Both servers print timestamps in the same zone. On RDS it is also the zone in which InnoDB shows when a transaction started.
    _Variable("time_zone", "'+00:00'"),
    # A verification reads for hours while some of its sessions are idle; a lost session ends after a day.
    # `interactive_timeout` only applies to interactive clients.
    _Variable("max_execution_time", "0", since=(5, 7, 8)),
    _Variable("wait_timeout", f"{_DAY}"),
    _Variable("net_read_timeout", "600"),
    _Variable("net_write_timeout", "600"),
    # Long enough for a busy server, and less than the minute that a session waits for an answer, so that the server reports the cause.
    _Variable("lock_wait_timeout", "50"),
    _Variable("innodb_lock_wait_timeout", "50"),
    # Results are complete: all rows, full values, sorted by a value's whole first kilobyte.
    _Variable("sql_select_limit", f"{_UNLIMITED}"),
    _Variable("sql_safe_updates", "0"),
    _Variable("sql_big_selects", "1"),
    _Variable("group_concat_max_len", f"{1024 * 1024}"),
    _Variable("max_sort_length", "1024"),
    # If it is on, "id IS NULL" finds the row that was inserted last.
    _Variable("sql_auto_is_null", "0"),
    # What SHOW CREATE prints.
    _Variable("sql_quote_show_create", "1"),
    _Variable("show_create_table_verbosity", "0", since=(5, 7, 22)),
    _Variable("print_identified_with_as_hex", "0", since=(8, 0, 17)),
    _Variable("show_create_table_skip_secondary_engine", "0", since=(8, 0, 18)),
    _Variable("show_gipk_in_create_table_and_information_schema", "1", since=(8, 0, 30)),
)
"""The driver sets `collation_connection` and the three `character_set_…` of a client with SET NAMES when it connects."""


def pinning(version: Version) -> str:
    """Return the one statement that sets all variables that this version has."""
    return "SET " + ", ".join(
        f"SESSION {variable.name} = {variable.value}" for variable in PINNED if version >= variable.since
    )
