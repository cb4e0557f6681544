"""The whole procedure on 5.7 and on 9.7, in order and with fewer stops than on 8.0; all the way through a bastion."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError

from dev.workload.database import rows, value
from rds_encrypt.rehearse.client import Connection
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for
from tests.bastion import Keys, Running, asyncssh_server, free_port, left_of
from tests.engine.checks import (
    MAY_DIFFER,
    definitions,
    differing,
    require_equal_tables,
    require_fenced,
    require_one_event,
)
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.made(tmp_path_factory.mktemp("bastion") / "it's 100% mine")


@pytest.fixture(scope="module", params=["5.7", "9.7"])
def deployment(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("deployment"), engine=request.param, hostile=True) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def bastion(deployment: Deployment, keys: Keys) -> Iterator[Running]:
    """The bastion that all of the program's sessions go through; the test's own do not."""
    with asyncssh_server(keys, free_port()) as running:
        deployment.always["connection"] = running.config
        yield running


@contextmanager
def reporting(deployment: Deployment, once_available: str = "orders") -> Iterator[list[int]]:
    """Let an application write reports by way of a temporary table, which is open most of the time; yields the reports' numbers.

    It begins once an instance is available: a replica that AWS makes meanwhile would lack the table, and stop.
    """
    with deployment.connected("orders") as master:
        rows(master, "CREATE TABLE IF NOT EXISTS reports (number INT PRIMARY KEY, orders INT)")
        grant = f"GRANT CREATE TEMPORARY TABLES ON {deployment.seeded.database}.* TO %s@'%%'"
        rows(master, grant, deployment.application.user)
        rows(master, "COMMIT")
    numbers: list[int] = []
    ended = threading.Event()

    def report(connection: Connection, number: int) -> None:
        rows(connection, "CREATE TEMPORARY TABLE draft (number INT, orders INT)")
        rows(connection, "INSERT INTO draft SELECT %s, COUNT(*) FROM orders", number)
        rows(connection, "COMMIT")
        ended.wait(0.7)
        rows(connection, "INSERT INTO reports SELECT number, orders FROM draft")
        rows(connection, "COMMIT")
        numbers.append(number)
        rows(connection, "DROP TEMPORARY TABLE draft")

    def write() -> None:
        while not (
            once_available in deployment.names()
            and deployment.instance(once_available)["DBInstanceStatus"] == "available"
        ):
            if ended.wait(0.05):
                return
        numbered = itertools.count(time.time_ns() // 10**9)
        while not ended.is_set():
            # It fails behind the fence, or loses its connection or the name, and begins again.
            with (
                suppress(pymysql.err.MySQLError, ClientError),
                deployment.connected("orders", application=True) as connection,
            ):
                while not ended.is_set():
                    report(connection, next(numbered))
                    ended.wait(0.3)
            ended.wait(0.2)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield numbers
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def source(deployment: Deployment) -> dict[str, Any]:
    return deployment.instance("orders")


def test_a_bastion_that_is_down_is_named_at_preview(deployment: Deployment, keys: Keys) -> None:
    nobody = Running(keys, free_port())
    deployment.configure("replicate", connection=nobody.config)
    refused = deployment.note(deployment.workspace.preview())
    assert not refused.ok
    assert f"bastion 127.0.0.1:{nobody.port}: it cannot be reached" in " ".join(refused.output.split())
    assert "Traceback" not in refused.output


def test_replicate(deployment: Deployment, source: dict[str, Any], bastion: Running) -> None:
    assert source["EngineVersion"].startswith(("5.7.", "9.7."))
    with reporting(deployment, once_available="orders-not-encrypted") as reports:
        deployment.up("replicate")
    assert len(reports) > 1

    assert not differing(source, deployment.instance("orders-encrypted"), MAY_DIFFER)
    require_fenced(deployment, "orders-encrypted")


def test_cutover_loses_no_acknowledged_write(deployment: Deployment, source: dict[str, Any]) -> None:
    writer = Writer(
        deployment.address("orders"), deployment.application, deployment.seeded.database, connections=2
    )
    with writer.writing(), reporting(deployment) as reports:
        assert writer.wait_for_write(0.0, 10.0), writer.errors
        deployment.up("cutover")
        assert writer.wait_for_write(writer.acknowledged[-1].monotonic, 10.0), writer.errors

    now = deployment.instance("orders")
    assert (now["StorageEncrypted"], now["KmsKeyId"]) == (True, deployment.seeded.key_arn)
    with deployment.connected("orders") as connection:
        present = [row["token"] for row in rows(connection, f"SELECT token FROM {TABLE}")]
        assert value(connection, "SELECT @@server_uuid") == deployment.outputs()["server_uuid"]
        assert set(reports) <= {row["number"] for row in rows(connection, "SELECT number FROM reports")}
        rows(connection, "DROP TABLE reports")
    assert deployment.outputs()["rollback_path"] == "open"
    with deployment.connected("orders-old") as old:
        until(lambda: rows(old, "SHOW TABLES LIKE 'reports'"), lambda left: not left)
    accounting = account_for(writer.acknowledged, present)
    assert (accounting.lost, accounting.duplicates) == ((), ())


def test_old_and_new_hold_the_same_and_the_event_runs_on_one(deployment: Deployment) -> None:
    require_fenced(deployment, "orders-old")
    require_equal_tables(deployment, "orders-old", "orders")
    with deployment.connected("orders-old") as old, deployment.connected("orders") as new:
        assert definitions(old) == definitions(new)
    require_one_event(deployment, "orders", "orders-old")


def test_after_cutover_nothing_is_left_to_do(deployment: Deployment) -> None:
    deployment.require_rest()


def test_cleanup(deployment: Deployment, source: dict[str, Any]) -> None:
    deployment.up("cleanup")

    assert deployment.names() == {"orders", "orders-old"}
    assert not differing(
        source, deployment.instance("orders"), MAY_DIFFER - {"DBParameterGroups", "Endpoint", "DBInstanceArn"}
    )
    with deployment.connected("orders") as connection:
        assert rows(connection, "SELECT user FROM mysql.user WHERE user LIKE 'rds_encrypt%%'") == []
        assert rows(connection, "SHOW SLAVE STATUS") == []


def test_all_sessions_went_through_the_bastion_and_nothing_is_left_of_them(
    deployment: Deployment, bastion: Running
) -> None:
    names = ("orders", "orders-old", "orders-encrypted", "orders-not-encrypted")
    assert len(set(bastion.asked)) == len(names)
    assert f"{deployment.instance('orders')['Endpoint']['Address']}:3306" in bastion.asked
    assert left_of(bastion.port) == []
    # Inside of AWS, nothing does: the encrypted instance followed the source by its name.
    assert "127.0.0.1" not in {place.partition(":")[0] for place in bastion.asked}
