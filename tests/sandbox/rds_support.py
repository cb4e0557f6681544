"""What the tests of the RDS API share: make an instance, wait for it, talk to its server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pymysql
from pymysql.cursors import DictCursor

from dev.sandbox import Sandbox

PASSWORD = "a-good-Password1"
DEADLINE = 60.0
T = TypeVar("T")


def until(look: Callable[[], T], accept: Callable[[T], bool], deadline: float = DEADLINE) -> T:
    """Look until what is seen is accepted; fail with the last thing seen."""
    end = time.monotonic() + deadline
    while True:
        seen = look()
        if accept(seen):
            return seen
        assert time.monotonic() < end, f"not within {deadline} s; last seen: {seen}"
        time.sleep(0.05)


def instance(sandbox: Sandbox, resource_id: str) -> dict[str, Any]:
    found = sandbox.client("rds").describe_db_instances(
        Filters=[{"Name": "dbi-resource-id", "Values": [resource_id]}]
    )["DBInstances"]
    return dict(found[0]) if found else {}


def available(sandbox: Sandbox, resource_id: str, **wanted: Any) -> dict[str, Any]:
    """Wait until the instance is available and looks as wanted."""

    def accept(seen: dict[str, Any]) -> bool:
        assert seen.get("DBInstanceStatus") != "failed", f"the instance failed: {seen}"
        return seen.get("DBInstanceStatus") == "available" and wanted.items() <= seen.items()

    return until(lambda: instance(sandbox, resource_id), accept)


def gone(sandbox: Sandbox, resource_id: str) -> None:
    until(lambda: instance(sandbox, resource_id), lambda seen: not seen)


def begin(sandbox: Sandbox, identifier: str, **more: Any) -> str:
    """Ask for an instance; returns its resource id."""
    asked = {
        "DBInstanceClass": "db.t3.medium",
        "Engine": "mysql",
        "MasterUsername": "admin",
        "MasterUserPassword": PASSWORD,
        "AllocatedStorage": 20,
        "DBName": "shop",
        **more,
    }
    made = sandbox.client("rds").create_db_instance(DBInstanceIdentifier=identifier, **asked)
    return str(made["DBInstance"]["DbiResourceId"])


def make(sandbox: Sandbox, identifier: str, **more: Any) -> dict[str, Any]:
    return available(sandbox, begin(sandbox, identifier, **more))


def snapshot(sandbox: Sandbox, identifier: str) -> dict[str, Any]:
    """Wait until the snapshot is available."""

    def look() -> dict[str, Any]:
        return dict(
            sandbox.client("rds").describe_db_snapshots(DBSnapshotIdentifier=identifier)["DBSnapshots"][0]
        )

    return until(look, lambda seen: seen["Status"] != "creating")


def connect(
    sandbox: Sandbox, address: str, password: str = PASSWORD, user: str = "admin"
) -> pymysql.connections.Connection[DictCursor]:
    return pymysql.connect(
        host=address,
        user=user,
        password=password,
        database="shop",
        autocommit=True,
        cursorclass=DictCursor,
        connect_timeout=5,
        ssl_ca=str(sandbox.directory / "ca.pem"),
        ssl_verify_cert=True,
        ssl_verify_identity=True,
    )


def query(
    sandbox: Sandbox, seen: dict[str, Any], statement: str, *arguments: Any, password: str = PASSWORD
) -> list[dict[str, Any]]:
    """Run one statement on an instance as its master user."""
    with connect(sandbox, seen["Endpoint"]["Address"], password) as connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments or None)
        return list(cursor.fetchall())


def start_replication(sandbox: Sandbox, seen: dict[str, Any]) -> None:
    """Start replication, unless RDS's agent was quicker, which resumes it a moment after each start of a server."""
    try:
        query(sandbox, seen, "CALL mysql.rds_start_replication")
    except pymysql.err.OperationalError as error:
        if "be running" not in str(error):
            raise


def value(sandbox: Sandbox, seen: dict[str, Any], expression: str, password: str = PASSWORD) -> Any:
    return query(sandbox, seen, f"SELECT {expression} AS found", password=password)[0]["found"]
