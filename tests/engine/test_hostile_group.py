"""A source whose parameter group sets what a session could stumble over, from replicate to cleanup.

tests/sandbox/test_sessions.py asks a session about every variable; here are those that mysqld also takes as options when it starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from demo.database import rows
from tests.engine.road import Road, driving
from tests.sandbox.mysql_support import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ENGINE = os.environ.get("ENGINE", "8.0")
HOSTILE = {
    "autocommit": "0",
    "completion_type": "CHAIN",
    "max_execution_time": "1",
    "wait_timeout": "2",
    "interactive_timeout": "2",
    "sql_mode": "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH",
    "time_zone": "US/Pacific",
    "group_concat_max_len": "4",
    "sql_select_limit": "1",
    "lock_wait_timeout": "1",
    "innodb_lock_wait_timeout": "1",
    "tx_isolation" if ENGINE == "5.7" else "transaction_isolation": "SERIALIZABLE",
}


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("hostile"), ENGINE) as road:
        (group,) = road.instance("orders")["DBParameterGroups"]
        road.client("rds").modify_db_parameter_group(
            DBParameterGroupName=group["DBParameterGroupName"],
            Parameters=[
                {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
                for name, value in HOSTILE.items()
            ],
        )
        yield road


def test_it_is_replicated_and_verified_as_any_other(road: Road) -> None:
    with road.connected("orders") as connection:
        until(
            lambda: rows(connection, "SELECT @@GLOBAL.sql_select_limit AS n"), lambda seen: seen == [{"n": 1}]
        )
    road.up("replicate")
    assert road.outputs()["differences"] == []
    assert road.outputs()["verified_tables"] == 7
    road.require_rest()


def test_it_is_cut_over_as_any_other(road: Road) -> None:
    road.up("cutover")
    assert road.outputs()["forced_guards"] == []
    assert road.instance("orders")["StorageEncrypted"]
    road.require_rest()


def test_it_is_cleaned_up_as_any_other(road: Road) -> None:
    road.up("cleanup")
    road.require_rest()
    with road.connected("orders") as connection:
        assert rows(connection, "SELECT @@GLOBAL.autocommit AS a, @@GLOBAL.wait_timeout AS w") == [
            {"a": 0, "w": 2}
        ]
