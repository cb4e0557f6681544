"""The ends that every chain must come to, whatever happened on the way; each answer is a list of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dev.workload.database import rows, value
from tests.engine.account import look
from tests.engine.checks import (
    MAY_DIFFER,
    beats,
    differing,
    require_equal_tables,
    require_fenced,
    require_one_event,
)
from tests.engine.deployment import Deployment

__all__ = ["as_it_was", "cleaned_up", "cut_over", "replicating", "retired", "rolled_back"]

_OURS = "rds-encrypt:"


def replicating(deployment: Deployment) -> list[str]:
    """One replica, one snapshot and its copy, one encrypted instance like the source, that follows and refuses writes."""

    def follows() -> None:
        with deployment.connected("orders") as source, deployment.connected("orders-encrypted") as encrypted:
            last = beats(source)[-1]
            beats(encrypted, at_least=last)

    def like() -> None:
        differences = differing(
            deployment.instance("orders"), deployment.instance("orders-encrypted"), MAY_DIFFER
        )
        assert not differences, differences

    def recorded() -> None:
        # The run that takes over what a killed one left completes it as it is; one more records its settings in the state.
        deployment.up("replicate")

    return _wrong(
        recorded,
        lambda: _same(deployment.names(), {"orders", "orders-not-encrypted", "orders-encrypted"}),
        lambda: _same(_snapshots(deployment), {"orders-not-encrypted", "orders-encrypted"}),
        follows,
        like,
        lambda: require_fenced(deployment, "orders-encrypted"),
        deployment.require_rest,
    )


def cut_over(deployment: Deployment) -> list[str]:
    """The name is the encrypted instance's, old refuses writes, events run on one."""
    return _wrong(
        lambda: _same(deployment.names(), {"orders", "orders-old", "orders-not-encrypted"}),
        lambda: _same(deployment.instance("orders")["StorageEncrypted"], True),
        lambda: require_fenced(deployment, "orders-old"),
        lambda: require_one_event(deployment, "orders", "orders-old"),
        lambda: require_equal_tables(deployment, "orders-old", "orders"),
        lambda: _takes_writes(deployment),
        deployment.require_rest,
    )


def rolled_back(deployment: Deployment, source: dict[str, Any]) -> list[str]:
    """The name is the source's again, and the encrypted instance follows it and refuses writes."""
    return _wrong(
        lambda: _same(deployment.names(), {"orders", "orders-not-encrypted", "orders-encrypted"}),
        lambda: _same(deployment.instance("orders")["DbiResourceId"], source["DbiResourceId"]),
        lambda: require_fenced(deployment, "orders-encrypted"),
        lambda: require_one_event(deployment, "orders", "orders-encrypted"),
        lambda: require_equal_tables(deployment, "orders-encrypted", "orders"),
        lambda: _takes_writes(deployment),
        deployment.require_rest,
    )


def cleaned_up(deployment: Deployment, source: dict[str, Any]) -> list[str]:
    """Only the two instances are left, the new one with all that the owner had set, nothing of ours in MySQL."""

    def nothing_in_mysql() -> None:
        with deployment.connected("orders") as connection:
            accounts = rows(connection, "SELECT user FROM mysql.user WHERE user LIKE 'rds_encrypt%%'")
            kept = value(
                connection, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
            )
            _same((accounts, kept, rows(connection, "SHOW SLAVE STATUS")), ([], None, []))

    def like() -> None:
        allowed = MAY_DIFFER - {"DBParameterGroups", "Endpoint", "DBInstanceArn"}
        differences = differing(source, deployment.instance("orders"), allowed)
        assert not differences, differences

    return _wrong(
        lambda: _same(deployment.names(), {"orders", "orders-old"}),
        lambda: _same(_snapshots(deployment), set()),
        lambda: _same(deployment.instance("orders-old")["DBInstanceStatus"], "stopped"),
        nothing_in_mysql,
        like,
        lambda: _takes_writes(deployment),
        deployment.require_rest,
    )


def retired(deployment: Deployment) -> list[str]:
    """After the last destroy: both instances are there, without a tag of ours, and production serves."""

    def untagged() -> None:
        for name in ("orders", "orders-old"):
            keys = [key for key in deployment.tags(name) if key.startswith(_OURS)]
            _same(keys, [])

    return _wrong(
        lambda: _same(deployment.names(), {"orders", "orders-old"}),
        untagged,
        lambda: _takes_writes(deployment),
    )


def as_it_was(deployment: Deployment, before: dict[str, Any]) -> list[str]:
    """The whole account, and the source's MySQL, as before the migration."""
    after = look(deployment)
    differences = [
        f"after destroy, {part} is {after[part]} instead of {was}"
        for part, was in before.items()
        if after[part] != was
    ]
    return differences + _wrong(lambda: _takes_writes(deployment))


def _takes_writes(deployment: Deployment) -> None:
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'still here' WHERE id = 1")


def _snapshots(deployment: Deployment) -> set[str]:
    snapshots = deployment.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    return {snapshot["DBSnapshotIdentifier"] for snapshot in snapshots}


def _same(actual: object, expected: object) -> None:
    assert actual == expected, f"{actual} instead of {expected}"


def _wrong(*requirements: Callable[[], None]) -> list[str]:
    findings = []
    for requirement in requirements:
        try:
            requirement()
        except Exception as error:  # noqa: BLE001 - whatever a look ends with is an answer
            findings.append(f"{type(error).__name__}: {str(error)[-2500:]}")
    return findings
