"""There and back again with GTIDs: whenever the roles change, both have executed the same, except for what RDS writes by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.workload.database import rows, value
from dev.workload.gtids import mismatches
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module", params=["8.0", "9.7"])
def deployment(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("gtids"), engine=request.param, gtids=True) as deployment:
        yield deployment


@pytest.mark.parametrize(
    ("phase", "other"),
    [("replicate", "orders-encrypted"), ("cutover", "orders-old"), ("rollback", "orders-encrypted")],
)
def test_both_have_executed_the_same(deployment: Deployment, phase: str, other: str) -> None:
    write(deployment, f"before {phase}")
    deployment.up(phase)
    write(deployment, f"after {phase}")
    with deployment.connected("orders") as primary, deployment.connected(other) as follower:
        for connection in (primary, follower):
            assert value(connection, "SELECT @@gtid_mode") == "ON"
        assert mismatches(primary, follower) == []


def write(deployment: Deployment, note: str) -> None:
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = %s WHERE id <= 100", note)
