"""The runbook's other method on 8.0: downtime accepted, a snapshot of the fenced source, the same cutover and clean-up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.sandbox.rds.clock import TimeModel
from dev.workload.database import rows, value
from rds_encrypt.cutover.timeline import Moment, moments_from
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for
from tests.chaos.procedure.journey import lose_state
from tests.engine.checks import MAY_DIFFER, differing, require_equal_tables, require_fenced, require_one_event
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MODE = {"method": "offline"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("snapshot")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def source(deployment: Deployment) -> dict[str, Any]:
    return deployment.instance("orders")


def test_cutover_loses_no_acknowledged_write(deployment: Deployment, source: dict[str, Any]) -> None:
    deployment.up("replicate", **MODE)
    assert deployment.names() == {"orders"}
    writer = Writer(
        deployment.address("orders"), deployment.application, deployment.seeded.database, connections=2
    )
    with writer.writing():
        assert writer.wait_for_write(0.0, 10.0), writer.errors
        deployment.up("cutover", **MODE)
        assert writer.wait_for_write(writer.acknowledged[-1].monotonic, 10.0), writer.errors

    with deployment.connected("orders") as connection:
        present = [row["token"] for row in rows(connection, f"SELECT token FROM {TABLE}")]
    accounting = account_for(writer.acknowledged, present)
    assert (accounting.lost, accounting.duplicates) == ((), ())
    assert accounting.acknowledged > 0


def test_the_outage_is_counted_from_the_fence_before_the_snapshot(deployment: Deployment) -> None:
    outputs = deployment.outputs()
    moments = moments_from(outputs["timeline"])
    waited = moments[Moment.DRAINED] - moments[Moment.FENCED]

    # These happen in between, whatever else does.
    model = TimeModel()
    imposed = sum(model.seconds(what) for what in ("snapshot", "copy", "restore"))
    assert outputs["write_outage"]["ours"] > waited.total_seconds() > imposed
    assert min(moments.values()) == moments[Moment.FENCE_REQUESTED]


def test_the_name_belongs_to_the_encrypted_instance_and_old_refuses_writes(
    deployment: Deployment, source: dict[str, Any]
) -> None:
    now = deployment.instance("orders")
    assert (now["StorageEncrypted"], now["KmsKeyId"]) == (True, deployment.seeded.key_arn)
    assert now["Endpoint"] == source["Endpoint"]
    require_fenced(deployment, "orders-old")
    require_one_event(deployment, "orders", "orders-old")


def test_every_table_is_equal_on_old_and_new_up_to_the_cut_over(deployment: Deployment) -> None:
    require_equal_tables(deployment, "orders-old", "orders")


def test_after_cutover_nothing_is_left_to_do(deployment: Deployment) -> None:
    deployment.require_rest()


def test_with_its_state_lost_it_is_adopted_and_production_stays_writable(deployment: Deployment) -> None:
    """Production runs with the group that carried the fence: a new state must not close it again."""
    deployment.always |= MODE

    assert lose_state(deployment, "cutover", list).wrong == []

    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'adopted' WHERE id = 1")
    require_fenced(deployment, "orders-old")
    deployment.require_rest()


def test_an_old_instance_that_its_owner_opened_closes_nothing(deployment: Deployment) -> None:
    deployment.client("rds").modify_db_parameter_group(
        DBParameterGroupName="orders-fence",
        Parameters=[{"ParameterName": "read_only", "ParameterValue": "0", "ApplyMethod": "immediate"}],
    )
    with deployment.connected("orders-old") as connection:
        until(lambda: int(value(connection, "SELECT @@GLOBAL.read_only")) == 0)
    assert deployment.note(deployment.workspace.refresh("--skip-preview")).ok

    deployment.up("cutover")

    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'still open' WHERE id = 1")


def test_there_is_no_rollback_and_the_preview_says_so(deployment: Deployment) -> None:
    deployment.configure("rollback", **MODE)
    result = deployment.note(deployment.workspace.preview())
    assert not result.ok
    assert "method `offline` has no rollback path" in result.output
    assert "Traceback" not in result.output


def test_cleanup_leaves_the_two_instances_and_no_snapshot(
    deployment: Deployment, source: dict[str, Any]
) -> None:
    deployment.up("cleanup", **MODE)

    assert deployment.names() == {"orders", "orders-old"}
    assert deployment.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"] == []
    assert not differing(
        source, deployment.instance("orders"), MAY_DIFFER - {"DBParameterGroups", "Endpoint", "DBInstanceArn"}
    )


def test_after_cleanup_nothing_is_left_to_do(deployment: Deployment) -> None:
    deployment.require_rest()
