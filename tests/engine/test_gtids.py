"""There and back again with GTIDs: whenever the roles change, both have executed the same, but for what RDS writes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.workload.database import Connection, rows, value
from tests.engine.road import Road, driving
from tests.sandbox.mysql_support import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

RDS_WRITES = ("mysql.rds_heartbeat2", "mysql.rds_sysinfo")
"""To each instance's own binlog, under `read_only` too: the other side never executes these transactions."""


@pytest.fixture(scope="module", params=["8.0", "9.7"])
def road(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("gtids"), engine=request.param) as road:
        with_gtids(road)
        yield road


def with_gtids(road: Road) -> None:
    """Turn GTIDs on in the source's group, which takes a reboot."""
    rds, source = road.sandbox.client("rds"), road.instance("orders")
    rds.modify_db_parameter_group(
        DBParameterGroupName=source["DBParameterGroups"][0]["DBParameterGroupName"],
        Parameters=[
            {"ParameterName": name, "ParameterValue": "ON", "ApplyMethod": "pending-reboot"}
            for name in ("gtid-mode", "enforce_gtid_consistency")
        ],
    )
    rds.reboot_db_instance(DBInstanceIdentifier="orders")
    until(
        lambda: road.instance("orders"),
        lambda seen: (
            seen["DBInstanceStatus"] == "available"
            and seen["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync"
        ),
        deadline=60.0,
    )


@pytest.mark.parametrize(
    ("phase", "other"),
    [("replicate", "orders-encrypted"), ("cutover", "orders-old"), ("rollback", "orders-encrypted")],
)
def test_both_have_executed_the_same(road: Road, phase: str, other: str) -> None:
    write(road, f"before {phase}")
    road.up(phase)
    write(road, f"after {phase}")
    with road.connected("orders") as primary, road.connected(other) as follower:
        for connection in (primary, follower):
            assert value(connection, "SELECT @@gtid_mode") == "ON"
        # What is missing on the follower may still be on its way.
        until(lambda: executed_alone(primary, follower), lambda found: not found)
        assert executed_alone(follower, primary) == []


def write(road: Road, note: str) -> None:
    with road.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = %s WHERE id <= 100", note)


def executed_alone(here: Connection, there: Connection) -> list[str]:
    """The statements of transactions that only `here` has executed, without RDS's own."""
    theirs = value(there, "SELECT @@gtid_executed")
    alone = value(here, "SELECT GTID_SUBTRACT(@@gtid_executed, %s)", theirs)
    found: list[str] = []
    for file in rows(here, "SHOW BINARY LOGS"):
        inside = False
        for event in rows(here, "SHOW BINLOG EVENTS IN %s", file["Log_name"]):
            if event["Event_type"] == "Gtid":
                inside = is_in(here, event, alone)
            elif event["Event_type"] in {"Rotate", "Stop"}:
                inside = False
            elif inside and not str(event["Info"]).startswith(("BEGIN", "COMMIT")):
                found.append(str(event["Info"]))
    return [text for text in found if not any(table in text for table in RDS_WRITES)]


def is_in(connection: Connection, event: dict[str, Any], gtids: str) -> bool:
    _, gtid, _ = str(event["Info"]).split("'")
    return bool(value(connection, "SELECT GTID_SUBSET(%s, %s)", gtid, gtids))
