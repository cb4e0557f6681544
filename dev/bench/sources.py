"""Many small sources in one account: a database of a few rows each, on servers as small as MySQL allows."""

from __future__ import annotations

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from dev.sandbox import Sandbox
from dev.workload.database import Account, connected
from dev.workload.database import address as address_of

__all__ = ["SECRET", "Sources", "make_sources"]

SECRET = "fleet/master"  # noqa: S105 - the name of a secret
_USER = "admin"
_DATABASE = "shop"
_ROWS = 100
_AT_ONCE = 4
_DEADLINE = 120.0
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
    master: Account = field(repr=False)

    def rows(self, name: str) -> int:
        """Return how many rows the database at that name holds."""
        where = address_of(self.sandbox.client("rds"), name, self.sandbox.directory / "ca.pem")
        with connected(where, self.master, database=_DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) AS n FROM orders")
            found = cursor.fetchone()
            return int(found["n"]) if found else 0

    def settings(self, name: str, **more: Any) -> dict[str, Any]:
        """Return what the stack's config says of one source."""
        return {
            "identifier": name,
            "kmsKey": "alias/fleet",
            "caFile": str((self.sandbox.directory / "ca.pem").resolve()),
            "credentials": {"secretId": SECRET},
            **more,
        }


def make_sources(sandbox: Sandbox, count: int, engine: str = "8.0") -> Sources:
    """Make so many sources, each with a parameter group of its own."""
    rds, ec2, kms = (sandbox.client(service) for service in ("rds", "ec2", "kms"))
    for quota, each in {
        "DBInstances": _PER_SOURCE,
        "DBParameterGroups": _PER_SOURCE,
        "ManualSnapshots": 3,
    }.items():
        sandbox.faults.quota(quota, each * count + 10)
    password = secrets.token_urlsafe(18)
    key = kms.create_key(Description="fleet")["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/fleet", TargetKeyId=key)
    sandbox.client("secretsmanager").create_secret(
        Name=SECRET, SecretString=json.dumps({"username": _USER, "password": password})
    )
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate(("us-east-1a", "us-east-1b"), 1)
    ]
    rds.create_db_subnet_group(
        DBSubnetGroupName="fleet", DBSubnetGroupDescription="Subnets of the fleet", SubnetIds=subnets
    )
    groups = [
        ec2.create_security_group(GroupName=f"fleet-{number}", Description="MySQL of one source", VpcId=vpc)[
            "GroupId"
        ]
        for number in range(count)
    ]
    names = tuple(f"shop-{number:02}" for number in range(1, count + 1))
    found = Sources(sandbox, names, Account(_USER, password))

    def make(name: str, group: str) -> None:
        _make(sandbox.client("rds"), name, engine, password, group)
        _fill(found, name)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(make, names, groups))
    return found


def _make(rds: Any, name: str, engine: str, password: str, group: str) -> None:
    rds.create_db_parameter_group(
        DBParameterGroupName=f"{name}-mysql",
        DBParameterGroupFamily=f"mysql{engine}",
        Description=f"Parameters of {name}",
    )
    rds.modify_db_parameter_group(
        DBParameterGroupName=f"{name}-mysql",
        Parameters=[
            {"ParameterName": parameter, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
            for parameter, value in _PARAMETERS.items()
        ],
    )
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
        PreferredBackupWindow="03:10-03:40",
        PreferredMaintenanceWindow="sun:04:30-sun:05:00",
        DBSubnetGroupName="fleet",
        VpcSecurityGroupIds=[group],
        DBParameterGroupName=f"{name}-mysql",
        AutoMinorVersionUpgrade=False,
        PubliclyAccessible=False,
    )
    deadline = time.monotonic() + _DEADLINE
    while (
        rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"]
        != "available"
    ):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} was not available within {_DEADLINE:.0f} s")
        time.sleep(0.2)


def _fill(sources: Sources, name: str) -> None:
    where = address_of(sources.sandbox.client("rds"), name, sources.sandbox.directory / "ca.pem")
    with connected(where, sources.master, database=_DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE orders (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, item VARCHAR(60) NOT NULL)"
        )
        cursor.executemany("INSERT INTO orders (item) VALUES (%s)", [(f"item {n}",) for n in range(_ROWS)])
