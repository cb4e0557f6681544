"""A managed master password: AWS makes no replica of such a source, so method `online` is refused and method `offline` gets there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from dev.workload.database import account, rows
from rds_encrypt.rehearse.client import connected
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("managed")) as deployment:
        yield deployment


def change(deployment: Deployment, **changes: Any) -> None:
    """Change the source as its owner does, and wait until that is in effect."""
    rds = deployment.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier="orders", ApplyImmediately=True, **changes)
    time.sleep(1)
    until(lambda: deployment.instance("orders")["DBInstanceStatus"], lambda status: status == "available")


def refused(deployment: Deployment, **source: Any) -> str:
    deployment.configure("replicate", **source)
    result = deployment.note(deployment.workspace.preview())
    assert not result.ok
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_with_a_managed_password_only_mode_snapshot_gets_there(deployment: Deployment) -> None:
    change(deployment, ManageMasterUserPassword=True)
    secret = deployment.instance("orders")["MasterUserSecret"]["SecretArn"]
    managed = {"credentials": {"secretId": secret, "username": "admin"}}
    output = refused(deployment, **managed)
    assert "RDS manages its master password in Secrets Manager, and AWS creates no replica" in output

    deployment.up("replicate", method="offline", **managed)
    deployment.up("cutover", method="offline", **managed)
    now = deployment.instance("orders")
    assert now["StorageEncrypted"] is True
    assert "MasterUserSecret" not in now
    with (
        connected(
            deployment.address("orders-old"),
            account(deployment.client("secretsmanager"), secret),
            database=deployment.seeded.database,
        ) as old,
        pytest.raises(pymysql.err.MySQLError) as fenced,
    ):
        rows(old, "UPDATE orders SET note = 'slipped past' WHERE id = 1")
    assert fenced.value.args[0] == 1290
    deployment.up("cleanup", method="offline", **managed)
    assert deployment.names() == {"orders", "orders-old"}
