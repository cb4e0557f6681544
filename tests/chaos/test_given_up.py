"""`pulumi destroy` when it is too late to give up: in the middle of cleanup, after it, and with states of long ago."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dev.workload.database import rows, value
from tests.chaos.procedure.points import Point
from tests.chaos.procedure.run import Run
from tests.engine.checks import differing
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MOVES = {
    "LatestRestorableTime",
    "ReadReplicaDBInstanceIdentifiers",
    "StatusInfos",
    "AutomaticRestartTime",
    "DBInstanceStatus",
}
"""Attributes in which neither is compared: RDS's clock, the migration's own replica, and whether old rests."""


@dataclass
class States:
    """The stack's state at the end of each phase, and both instances as they were after the cutover."""

    replicate: str
    cutover: str
    new: dict[str, Any]
    old: dict[str, Any]
    customers: int


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("too-late")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def states(deployment: Deployment) -> States:
    deployment.up("replicate")
    replicate = deployment.export_state()
    deployment.up("cutover")
    with deployment.connected("orders") as connection:
        customers = int(value(connection, "SELECT COUNT(*) FROM customers"))
    cutover = deployment.export_state()
    return States(
        replicate, cutover, deployment.instance("orders"), deployment.instance("orders-old"), customers
    )


def require_both_alive(deployment: Deployment, states: States) -> None:
    """Require that both instances are what they were, that production takes writes, and that old has its data."""
    assert deployment.names() == {"orders", "orders-old"}
    assert not differing(states.new, deployment.instance("orders"), MOVES)
    assert not differing(states.old, deployment.instance("orders-old"), MOVES)
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'still here' WHERE id = 1")
        assert value(connection, "SELECT COUNT(*) FROM customers") == states.customers


def unprotected(deployment: Deployment) -> None:
    assert deployment.note(
        deployment.workspace.run("state", "unprotect", "--all", "--yes", "--stack", "dev")
    ).ok


def destroy_until_done(deployment: Deployment, *options: str) -> None:
    """Destroy, and require that it comes to its end."""
    result = deployment.note(deployment.workspace.destroy("--skip-preview", *options))
    assert "Traceback" not in result.output
    assert result.ok, result.output[-3000:]


def test_a_cleanup_that_is_killed_and_given_up(deployment: Deployment, states: States) -> None:
    deployment.configure("cleanup")
    ending = Run(
        deployment, "up", [Point("Retirement orders", "inside", "kill everything", calls=6)]
    ).ending()
    assert ending.kind == "killed"
    deployment.workspace.run("cancel", "--yes", "--stack", deployment.workspace.stack)

    destroy_until_done(deployment)

    require_both_alive(deployment, states)
    assert deployment.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"] == []
    for name in ("orders", "orders-old"):
        assert not [key for key in deployment.tags(name) if key.startswith("rds-encrypt:")]


@pytest.mark.parametrize(
    "options", [["--exclude-protected"], ["--refresh"], []], ids=["exclude-protected", "refresh", "all"]
)
@pytest.mark.parametrize("of", ["replicate", "cutover"])
def test_a_state_of_long_ago_takes_neither_with_it(
    deployment: Deployment, states: States, of: str, options: list[str]
) -> None:
    """Nothing marks the two any more, and the state calls them by names that have moved."""
    deployment.import_state(getattr(states, of))
    unprotected(deployment)
    deployment.configure(of)

    destroy_until_done(deployment, *options)

    require_both_alive(deployment, states)


def test_the_same_with_old_at_rest(deployment: Deployment, states: States) -> None:
    deployment.client("rds").stop_db_instance(DBInstanceIdentifier="orders-old")
    until(lambda: deployment.instance("orders-old")["DBInstanceStatus"], lambda status: status == "stopped")
    for of in ("replicate", "cutover"):
        deployment.import_state(getattr(states, of))
        deployment.configure(of)

        destroy_until_done(deployment)

        require_both_alive(deployment, states)
