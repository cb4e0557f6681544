"""Everything in an account that a migration makes or changes, so that before and after can be compared."""

from __future__ import annotations

from typing import Any

from dev.workload.database import rows, value
from tests.engine.deployment import Deployment

__all__ = ["look"]

_MOVING = "LatestRestorableTime"


def look(deployment: Deployment) -> dict[str, Any]:
    """Return the whole account, and the source's MySQL, as nested plain values."""
    rds, ec2 = deployment.client("rds"), deployment.client("ec2")
    with deployment.connected(deployment.seeded.identifier) as connection:
        mysql = {
            "accounts": _accounts(connection),
            "binlog retention hours": value(
                connection, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
            ),
            "follows": rows(connection, "SHOW SLAVE STATUS"),
            "read_only": value(connection, "SELECT @@GLOBAL.read_only"),
            "events": rows(connection, "SELECT event_name, status FROM information_schema.events"),
        }
    return {
        "mysql": mysql,
        "instances": {
            instance["DBInstanceIdentifier"]: {
                key: entry for key, entry in instance.items() if key != _MOVING
            }
            for instance in _all(rds, "describe_db_instances", "DBInstances")
        },
        "snapshots": {
            snapshot["DBSnapshotIdentifier"]
            # Automated ones come and go with the backups that the owner asked for.
            for snapshot in _all(rds, "describe_db_snapshots", "DBSnapshots", SnapshotType="manual")
        },
        "parameter groups": _parameter_groups(rds),
        "option groups": {
            group["OptionGroupName"] for group in _all(rds, "describe_option_groups", "OptionGroupsList")
        },
        "rules": {
            rule["SecurityGroupRuleId"]: rule
            for rule in _all(ec2, "describe_security_group_rules", "SecurityGroupRules")
        },
    }


def _accounts(connection: Any) -> dict[str, Any]:
    accounts = rows(connection, "SELECT user, host FROM mysql.user WHERE user NOT LIKE 'mysql.%%'")
    names = [f"'{row['user']}'@'{row['host']}'" for row in accounts]
    return {
        name: sorted(
            str(grant) for row in rows(connection, f"SHOW GRANTS FOR {name}") for grant in row.values()
        )
        for name in names
    }


def _parameter_groups(rds: Any) -> dict[str, Any]:
    groups = _all(rds, "describe_db_parameter_groups", "DBParameterGroups")
    return {
        group["DBParameterGroupName"]: {
            parameter["ParameterName"]: (parameter.get("ParameterValue"), parameter.get("ApplyMethod"))
            for parameter in _all(
                rds,
                "describe_db_parameters",
                "Parameters",
                DBParameterGroupName=group["DBParameterGroupName"],
                Source="user",
            )
        }
        for group in groups
        if not group["DBParameterGroupName"].startswith("default.")
    }


def _all(client: Any, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator(operation).paginate(**arguments)
    return [entry for page in pages for entry in page[key]]
