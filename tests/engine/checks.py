"""Checks that several engine tests share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dev.demo import compare
from dev.workload.database import rows, value
from rds_encrypt.rehearse.client import Connection
from tests.engine.deployment import Deployment
from tests.waiting import until

__all__ = [
    "MAY_DIFFER",
    "Production",
    "beats",
    "definitions",
    "differing",
    "owner_tags",
    "require_equal_tables",
    "require_fenced",
    "require_one_event",
    "require_production_untouched",
    "secrets_in",
    "snapshot_of_production",
    "unfolded",
]

MAY_DIFFER = {
    # Names, ids and what contains them.
    "DBInstanceIdentifier",
    "DbiResourceId",
    "DBInstanceArn",
    # RDS manages the master password of the source alone.
    "MasterUserSecret",
    "Endpoint",
    "EnhancedMonitoringResourceArn",
    # Times.
    "InstanceCreateTime",
    "LatestRestorableTime",
    "CertificateDetails",
    # Encryption.
    "StorageEncrypted",
    "StorageEncryptionType",
    "KmsKeyId",
    # Momentary state.
    "DBInstanceStatus",
    "StatusInfos",
    "PendingModifiedValues",
    "StorageOperationStatus",
    "StorageOperationPercentProgress",
    "IsStorageConfigUpgradeAvailable",
    "ActivityStreamStatus",
    "StorageVolumeStatus",
    "PercentProgress",
    "AutomaticRestartTime",
    # What RDS chooses, or what belongs to the source alone.
    "AvailabilityZone",
    "SecondaryAvailabilityZone",
    "ReadReplicaDBInstanceIdentifiers",
    "ReadReplicaDBClusterIdentifiers",
    "AssociatedRoles",
    "AwsBackupRecoveryPointArn",
    "DBInstanceAutomatedBackupsReplications",
    "DBCapacityReservationIdentifier",
    "UpgradeRolloutOrder",
    # Until the cutover.
    "DBParameterGroups",
}
"""The only keys in which the descriptions of source and encrypted instance may differ."""

_OURS = "rds-encrypt:"
_READ_ONLY = 1290
_TABLES = 7
_ACCOUNTS = "SELECT user, host FROM mysql.user WHERE user NOT LIKE 'mysql.%%' AND user NOT LIKE 'rds%%' ORDER BY user, host"
_DEFINITIONS = {
    "routines": "SELECT routine_name AS name, routine_type AS kind, routine_definition AS body, definer AS d,"
    " sql_mode AS m FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY routine_name",
    "triggers": "SELECT trigger_name AS name, event_object_table AS tab, action_timing AS at, event_manipulation AS ev,"
    " action_statement AS body, definer AS d FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
    " ORDER BY trigger_name",
    "views": "SELECT table_name AS name, view_definition AS body, definer AS d FROM information_schema.views"
    " WHERE table_schema = DATABASE() ORDER BY table_name",
    # The status is the one thing that must differ.
    "events": "SELECT event_name AS name, event_definition AS body, definer AS d, interval_value AS every,"
    " interval_field AS unit, sql_mode AS m FROM information_schema.events WHERE event_schema = DATABASE()"
    " ORDER BY event_name",
}


def owner_tags(description: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that are not the migration's."""
    return {
        tag["Key"]: tag["Value"] for tag in description.get("TagList", []) if not tag["Key"].startswith(_OURS)
    }


def differing(before: Mapping[str, Any], after: Mapping[str, Any], allowed: set[str]) -> dict[str, Any]:
    """Return the differences of two descriptions of instances, except those allowed and the migration's tags."""
    differences = {
        key: (before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if key not in {*allowed, "TagList"} and before.get(key) != after.get(key)
    }
    if owner_tags(before) != owner_tags(after):
        differences["TagList"] = (owner_tags(before), owner_tags(after))
    return differences


def beats(connection: Connection, *, at_least: int = 0) -> list[int]:
    """Return the ids of the heartbeats, once there is one of at least ``at_least``."""
    return until(
        lambda: [int(row["id"]) for row in rows(connection, "SELECT id FROM heartbeats ORDER BY id")],
        lambda ids: ids and ids[-1] >= at_least,
    )


def definitions(connection: Connection) -> dict[str, Any]:
    """Return everything but the tables: routines, triggers, views, events, and the owner's accounts with their grants."""
    definition_rows: dict[str, Any] = {
        kind: rows(connection, statement) for kind, statement in _DEFINITIONS.items()
    }
    assert all(definition_rows.values()), "the seed has one of each"
    for account in rows(connection, _ACCOUNTS):
        name = f"'{account['user']}'@'{account['host']}'"
        definition_rows[name] = rows(connection, f"SHOW GRANTS FOR {name}")
    return definition_rows


def require_equal_tables(deployment: Deployment, old: str, new: str) -> None:
    """Require that all tables have the same definition, count and checksum, up to the last row that is on old."""
    with deployment.connected(old) as one, deployment.connected(new) as other:
        upto = {
            table: int(value(one, f"SELECT COALESCE(MAX(id), 0) FROM {table}"))
            for table in ("writes", "heartbeats")
        }
        tables, different = compare.compare(one, other, deployment.seeded.database, upto)
    assert different == []
    assert tables == _TABLES


def require_fenced(deployment: Deployment, identifier: str) -> None:
    """Require that neither the master user nor the application can write to the instance."""
    for application in (False, True):
        with (
            deployment.connected(identifier, application=application) as connection,
            pytest.raises(pymysql.err.MySQLError) as refused,
        ):
            rows(connection, "UPDATE orders SET note = 'slipped past' WHERE id = 1")
        assert refused.value.args[0] == _READ_ONLY


def require_one_event(deployment: Deployment, running: str, quiet: str) -> None:
    """Require that every beat since the cutover comes from one instance; the other may only replicate them."""
    with deployment.connected(quiet) as old, deployment.connected(running) as new:
        first, second = (int(value(connection, "SELECT @@server_id")) for connection in (old, new))
        before = until(
            lambda: _beats_by_server(new), lambda beats: second in beats, what="the event on the new one"
        )
        # Two more: where it ran on old too, old would have run it by then.
        until(
            lambda: _beats_by_server(new)[second]["beats"],
            lambda beats: beats >= before[second]["beats"] + 2,
            what="the event to go on",
        )
        after, on_old = _beats_by_server(new), _beats_by_server(old)
    assert after[first] == before[first] == on_old[first], "the event still runs on old"
    assert set(after) == {first, second}


def _beats_by_server(connection: Connection) -> dict[int, dict[str, Any]]:
    statement = "SELECT server_id, COUNT(*) AS beats, MAX(id) AS last FROM heartbeats GROUP BY server_id"
    return {row["server_id"]: row for row in rows(connection, statement)}


def secrets_in(secrets: Iterable[str], files: Iterable[Path], texts: Iterable[str]) -> list[str]:
    """Return the places where any of the secrets occurs, without quoting it."""
    encoded = [secret.encode() for secret in secrets]
    places = [str(file) for file in files if any(secret in file.read_bytes() for secret in encoded)]
    return places + [
        f"output {number}"
        for number, text in enumerate(texts)
        if any(secret in text.encode() for secret in encoded)
    ]


@dataclass(frozen=True)
class Production:
    """The two instances that serve or have served production, after a cutover."""

    new: dict[str, Any]
    old: dict[str, Any]
    new_uuid: str
    old_uuid: str
    customers: int


def snapshot_of_production(deployment: Deployment) -> Production:
    with deployment.connected("orders") as new, deployment.connected("orders-old") as old:
        return Production(
            new=deployment.instance("orders"),
            old=deployment.instance("orders-old"),
            new_uuid=str(value(new, "SELECT @@server_uuid")),
            old_uuid=str(value(old, "SELECT @@server_uuid")),
            customers=int(value(new, "SELECT COUNT(*) FROM customers")),
        )


def require_production_untouched(deployment: Deployment, before: Production) -> None:
    """Require that both instances are as they were and serve their data, and that one accepts writes."""
    moves = {"LatestRestorableTime", "ReadReplicaDBInstanceIdentifiers"}
    now = snapshot_of_production(deployment)
    assert not differing(before.new, now.new, moves)
    assert not differing(before.old, now.old, moves)
    assert (now.new_uuid, now.old_uuid, now.customers) == (
        before.new_uuid,
        before.old_uuid,
        before.customers,
    )
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'still here' WHERE id = 1")
        assert value(connection, "SELECT note FROM orders WHERE id = 1") == "still here"
    require_fenced(deployment, "orders-old")


def unfolded(output: str) -> str:
    """Return what was printed as if it had not been broken into lines for a terminal."""
    return " ".join(output.split())
