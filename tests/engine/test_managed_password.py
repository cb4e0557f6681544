"""A managed master password: AWS makes no replica of such a source, so method `online` is refused and method `offline` gets there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from dev.workload.database import account, rows
from rds_encrypt.rehearse.client import connected
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("managed")) as road:
        yield road


def change(road: Road, **changes: Any) -> None:
    """Change the source as its owner does, and wait until that is in effect."""
    rds = road.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier="orders", ApplyImmediately=True, **changes)
    deadline = time.monotonic() + 60
    time.sleep(1)
    while road.instance("orders")["DBInstanceStatus"] != "available":
        assert time.monotonic() < deadline
        time.sleep(0.3)


def refused(road: Road, **source: Any) -> str:
    road.configure("replicate", **source)
    result = road.note(road.workspace.preview())
    assert not result.ok
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_with_a_managed_password_only_mode_snapshot_gets_there(road: Road) -> None:
    change(road, ManageMasterUserPassword=True)
    secret = road.instance("orders")["MasterUserSecret"]["SecretArn"]
    managed = {"credentials": {"secretId": secret, "username": "admin"}}
    said = refused(road, **managed)
    assert "RDS manages its master password in Secrets Manager, and AWS creates no replica" in said

    road.up("replicate", method="offline", **managed)
    road.up("cutover", method="offline", **managed)
    now = road.instance("orders")
    assert now["StorageEncrypted"] is True
    assert "MasterUserSecret" not in now
    with (
        connected(
            road.address("orders-old"),
            account(road.client("secretsmanager"), secret),
            database=road.seeded.database,
        ) as old,
        pytest.raises(pymysql.err.MySQLError) as fenced,
    ):
        rows(old, "UPDATE orders SET note = 'slipped past' WHERE id = 1")
    assert fenced.value.args[0] == 1290
    road.up("cleanup", method="offline", **managed)
    assert road.names() == {"orders", "orders-old"}
