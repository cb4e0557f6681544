"""What breaks a channel: told by MySQL's number and text, and whether attaching it once more would mend it."""

from __future__ import annotations

import pytest

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.mysql.replication_errors import Follower, diagnosis, hopeless, mended_by_attaching
from rds_encrypt.mysql.session import Endpoint

WHERE = Endpoint("orders.example", 3306)
PURGED = (
    "Got fatal error 1236 from source when reading data from binary log: 'Could not find first log file name'"
)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (f"13114: {PURGED}", "has purged binlogs"),
        ("1236: … the source has purged required binary logs", "has purged binlogs"),
        ("13114: … 'log event entry exceeded max_allowed_packet'", "cannot send its binlog"),
        ("13121: Relay log read failure", "relay log cannot be read"),
        ("1594: Relay log read failure", "relay log cannot be read"),
        ("1045: error connecting", "refuses the account"),
        ("2026: SSL connection error", "cannot agree on TLS"),
        ("2003: Error reconnecting to source 'a@b:3306'. This was attempt 10/10", "MySQL has given up"),
        ("3118: error connecting to master 'a@b:3306'", "MySQL has given up"),
        ("1062: Duplicate entry", "already has a row"),
        ("1032: Can't find record", "lacks a row"),
        ("1114: The table is full", "storage is full"),
        ("1146: Table doesn't exist", "lacks a table"),
        ("1050: Table already exists", "cannot apply a change"),
        ("something without a number", "cannot apply a change"),
    ],
)
def test_each_trouble_is_told_in_its_own_words(error: str, what: str) -> None:
    problem = diagnosis(error, WHERE)
    assert isinstance(problem, ActionRequired)
    assert what in problem.what
    assert problem.where == "MySQL at orders.example:3306"
    assert problem.fix
    assert problem.safe


def test_mysql_s_own_words_are_kept_but_not_all_of_them() -> None:
    message = str(diagnosis(f"1062: {'so many words ' * 100}", WHERE))
    assert "1062 so many words" in message
    assert len(message) < 700


@pytest.mark.parametrize(
    ("error", "never", "mended"),
    [
        ("1045: Access denied", True, True),
        ("2026: SSL connection error", True, False),
        ("2003: Can't connect", False, False),
        ("13121: Relay log read failure", False, True),
        ("1062: Duplicate entry", False, False),
        ("", False, False),
    ],
)
def test_what_ends_by_itself_or_by_attaching(error: str, *, never: bool, mended: bool) -> None:
    assert hopeless(error) is never
    assert mended_by_attaching(error) is mended


@pytest.mark.parametrize(
    "error",
    [
        f"1236: {PURGED}",
        "1045: refused",
        "2026: TLS",
        "1062: Duplicate",
        "1594: Relay log",
        "1114: full",
        "7: ?",
    ],
)
def test_after_the_cutover_nobody_is_told_to_destroy_or_that_the_source_takes_writes(error: str) -> None:
    """The old instance follows production then: it is read-only, and a new snapshot of it would help nobody."""
    problem = diagnosis(error, WHERE, Follower.OLD)
    assert "destroy" not in str(problem)
    assert "source" not in problem.safe
    assert "the encrypted instance takes writes" in problem.safe
    assert "phase `cleanup`" in problem.fix


def test_the_account_of_a_managed_replica_is_rds_s_to_mend() -> None:
    assert "RDS manages the account" in diagnosis("1045: refused", WHERE, Follower.REPLICA).fix
    assert "creates the account again" in diagnosis("1045: refused", WHERE).fix
    assert (
        diagnosis("1062: Duplicate", WHERE, Follower.REPLICA).fix == diagnosis("1062: Duplicate", WHERE).fix
    )
