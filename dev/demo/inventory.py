"""What an account and the instance under a name hold, so that before and after can be compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dev.workload.database import rows, value
from rds_encrypt.rehearse.client import Connection

__all__ = ["Inventory", "left_behind", "missing", "take"]


@dataclass(frozen=True)
class Inventory:
    """A look at everything that a migration makes or changes outside the data."""

    instances: frozenset[str]
    snapshots: frozenset[str]
    parameter_groups: Mapping[str, Mapping[str, str]]
    firewalls: frozenset[str]
    rules: frozenset[str]
    accounts: frozenset[str]
    binlog_retention: str
    follows: str


def take(rds: Any, ec2: Any, connection: Connection) -> Inventory:
    """Look at the whole account, and at the MySQL that answers under the name."""
    groups = [
        group["DBParameterGroupName"]
        for group in _all(rds, "describe_db_parameter_groups", "DBParameterGroups")
    ]
    return Inventory(
        instances=frozenset(
            instance["DBInstanceIdentifier"] for instance in _all(rds, "describe_db_instances", "DBInstances")
        ),
        # Automated snapshots come and go with the backups that the owner asked for.
        snapshots=frozenset(
            snapshot["DBSnapshotIdentifier"]
            for snapshot in _all(rds, "describe_db_snapshots", "DBSnapshots", SnapshotType="manual")
        ),
        parameter_groups={group: _values(rds, group) for group in groups if not group.startswith("default.")},
        firewalls=frozenset(
            group["GroupName"] for group in _all(ec2, "describe_security_groups", "SecurityGroups")
        ),
        rules=frozenset(
            f"{rule['SecurityGroupRuleId']} in {rule['GroupId']}"
            for rule in _all(ec2, "describe_security_group_rules", "SecurityGroupRules")
        ),
        accounts=frozenset(
            f"{row['user']}@{row['host']}" for row in rows(connection, "SELECT user, host FROM mysql.user")
        ),
        binlog_retention=str(
            value(
                connection, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
            )
        ),
        follows=_followed(connection),
    )


def left_behind(before: Inventory, after: Inventory, kept: Collection[str]) -> list[str]:
    """Return what is there after a migration and was not before, apart from what is kept on purpose."""
    on_purpose = {(kind, name) for kind in ("instance", "parameter group") for name in kept}
    remaining = [f"{kind} {name}" for kind, name in _only(after, before) if (kind, name) not in on_purpose]
    for name in sorted(before.parameter_groups.keys() & after.parameter_groups.keys()):
        changes = _changes(before.parameter_groups[name], after.parameter_groups[name])
        remaining += [f"parameter {change} in group {name}" for change in changes]
    if after.binlog_retention != before.binlog_retention:
        remaining.append(
            f"binlog retention hours {after.binlog_retention}, formerly {before.binlog_retention}"
        )
    if after.follows and after.follows != before.follows:
        remaining.append(f"replication from {after.follows}")
    return remaining


def missing(before: Inventory, after: Inventory) -> list[str]:
    """Return what was there before and is not any more."""
    return [f"{kind} {name}" for kind, name in _only(before, after)]


def _only(one: Inventory, other: Inventory) -> list[tuple[str, str]]:
    """Return the kind and the name of each thing that only the first inventory has."""
    return [
        (kind, name)
        for kind, ours, theirs in (
            ("instance", one.instances, other.instances),
            ("snapshot", one.snapshots, other.snapshots),
            ("parameter group", one.parameter_groups.keys(), other.parameter_groups.keys()),
            ("security group", one.firewalls, other.firewalls),
            ("security group rule", one.rules, other.rules),
            ("MySQL account", one.accounts, other.accounts),
        )
        for name in sorted(ours - theirs)
    ]


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [
        f"{name}={after.get(name, '(default)')}, formerly {before.get(name, '(default)')},"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _values(rds: Any, group: str) -> dict[str, str]:
    parameters = _all(rds, "describe_db_parameters", "Parameters", DBParameterGroupName=group, Source="user")
    return {parameter["ParameterName"]: parameter.get("ParameterValue", "") for parameter in parameters}


def _followed(connection: Connection) -> str:
    statuses = rows(connection, "SHOW SLAVE STATUS")
    return str(statuses[0].get("Master_Host") or "") if statuses else ""


def _all(client: Any, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator(operation).paginate(**arguments)
    return [entry for page in pages for entry in page[key]]
