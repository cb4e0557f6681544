"""Many small sources in one account: a database of a few rows each, on servers as small as MySQL allows."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from dev.sandbox import Sandbox
from dev.sandbox.seed import (
    await_available,
    make_key,
    make_network,
    make_parameter_group,
    make_security_group,
    store,
)
from dev.workload.database import address as address_of
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import connected

__all__ = ["SECRET", "Sources", "make_sources"]

SECRET = "fleet/master"  # noqa: S105 - the name of a secret
_USER = "admin"
_DATABASE = "shop"
_ROWS = 100
_AT_ONCE = 4
_PER_SOURCE = 4
"""Instances of one source at most, and one to spare; the quotas of the account are raised by it."""
_PARAMETERS = {
    "binlog_format": "ROW",
    "innodb_buffer_pool_size": str(5 * 2**20),
    "max_connections": "60",
    "table_open_cache": "64",
}


@dataclass(frozen=True)
class Sources:
    """The sources, and how to reach them."""

    sandbox: Sandbox
    names: tuple[str, ...]
    master: Credentials = field(repr=False)

    def rows(self, name: str) -> int:
        """Return how many rows the database at that name holds."""
        where = address_of(self.sandbox.client("rds"), name, self.sandbox.directory / "ca.pem")
        with connected(where, self.master, database=_DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) AS n FROM orders")
            row = cursor.fetchone()
            return int(row["n"]) if row else 0

    def settings(self, name: str, **more: Any) -> dict[str, Any]:
        """Return what the stack's config says of one source."""
        return {
            "identifier": name,
            "kmsKey": "alias/fleet",
            "caFile": str((self.sandbox.directory / "ca.pem").resolve()),
            "credentials": {"secretId": SECRET},
            **more,
        }


def make_sources(sandbox: Sandbox, count: int, engine: str = "8.0", *, replicas: int = 0) -> Sources:
    """Make this many sources, each with a parameter group of its own and with this many read replicas."""
    rds, ec2, kms = (sandbox.client(service) for service in ("rds", "ec2", "kms"))
    for quota, per_source in {
        "DBInstances": _PER_SOURCE + 2 * replicas,
        "DBParameterGroups": _PER_SOURCE,
        "ManualSnapshots": 3,
    }.items():
        sandbox.faults.quota(quota, per_source * count + 10)
    password = secrets.token_urlsafe(18)
    make_key(kms, "fleet")
    store(sandbox.client("secretsmanager"), SECRET, _USER, password)
    vpc = make_network(ec2, rds, "fleet")
    # One for all, as many accounts have it.
    group = make_security_group(ec2, vpc, "fleet")
    names = tuple(f"shop-{number:02}" for number in range(1, count + 1))
    sources = Sources(sandbox, names, Credentials(_USER, password))

    def make(name: str) -> None:
        _make(sandbox.client("rds"), name, engine, password, group)
        _fill(sources, name)
        for number in range(1, replicas + 1):
            _replicate(sandbox.client("rds"), name, f"{name}-r{number}")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(make, names))
    return sources


def _make(rds: Any, name: str, engine: str, password: str, group: str) -> None:
    make_parameter_group(rds, f"{name}-mysql", engine, _PARAMETERS, method="pending-reboot")
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t3.medium",
        Engine="mysql",
        EngineVersion=engine,
        MasterUsername=_USER,
        MasterUserPassword=password,
        DBName=_DATABASE,
        AllocatedStorage=20,
        BackupRetentionPeriod=1,
        DBSubnetGroupName="fleet",
        VpcSecurityGroupIds=[group],
        DBParameterGroupName=f"{name}-mysql",
        AutoMinorVersionUpgrade=False,
        PubliclyAccessible=False,
    )
    await_available(rds, name)


def _replicate(rds: Any, source: str, name: str) -> None:
    rds.create_db_instance_read_replica(DBInstanceIdentifier=name, SourceDBInstanceIdentifier=source)
    await_available(rds, name)


def _fill(sources: Sources, name: str) -> None:
    where = address_of(sources.sandbox.client("rds"), name, sources.sandbox.directory / "ca.pem")
    with connected(where, sources.master, database=_DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE orders (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, item VARCHAR(60) NOT NULL)"
        )
        cursor.executemany("INSERT INTO orders (item) VALUES (%s)", [(f"item {n}",) for n in range(_ROWS)])
