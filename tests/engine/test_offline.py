"""The runbook's other road on 8.0: downtime accepted, a snapshot of the fenced source, the same cutover and clean-up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.sandbox.rds.clock import TimeModel
from dev.workload.database import rows
from rds_encrypt.cutover.timeline import Moment, moments_from
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for
from tests.engine.checks import MAY_DIFFER, differing, require_equal_tables, require_fenced, require_one_event
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MODE = {"method": "offline"}


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("snapshot")) as road:
        yield road


@pytest.fixture(scope="module")
def source(road: Road) -> dict[str, Any]:
    return road.instance("orders")


def test_cutover_loses_no_acknowledged_write(road: Road, source: dict[str, Any]) -> None:
    road.up("replicate", **MODE)
    assert road.names() == {"orders"}
    writer = Writer(road.address("orders"), road.application, road.seeded.database, connections=2)
    with writer.writing():
        assert writer.wait_for_write(0.0, 10.0), writer.errors
        road.up("cutover", **MODE)
        assert writer.wait_for_write(writer.acknowledged[-1].monotonic, 10.0), writer.errors

    with road.connected("orders") as connection:
        present = [row["token"] for row in rows(connection, f"SELECT token FROM {TABLE}")]
    found = account_for(writer.acknowledged, present)
    assert (found.lost, found.duplicates) == ((), ())
    assert found.acknowledged > 0


def test_the_outage_is_counted_from_the_fence_before_the_snapshot(road: Road) -> None:
    outputs = road.outputs()
    moments = moments_from(outputs["timeline"])
    waited = moments[Moment.DRAINED] - moments[Moment.FENCED]

    # These lie in between, whatever else does.
    model = TimeModel()
    imposed = sum(model.seconds(what) for what in ("snapshot", "copy", "restore"))
    assert outputs["write_outage"]["ours"] > waited.total_seconds() > imposed
    assert min(moments.values()) == moments[Moment.FENCE_REQUESTED]


def test_the_name_belongs_to_the_encrypted_instance_and_old_refuses_writes(
    road: Road, source: dict[str, Any]
) -> None:
    now = road.instance("orders")
    assert (now["StorageEncrypted"], now["KmsKeyId"]) == (True, road.seeded.key_arn)
    assert now["Endpoint"] == source["Endpoint"]
    require_fenced(road, "orders-old")
    require_one_event(road, "orders", "orders-old")


def test_every_table_is_equal_on_old_and_new_up_to_the_cut_over(road: Road) -> None:
    require_equal_tables(road, "orders-old", "orders")


def test_after_cutover_nothing_is_left_to_do(road: Road) -> None:
    road.require_rest()


def test_there_is_no_rollback_and_the_preview_says_so(road: Road) -> None:
    road.configure("rollback", **MODE)
    result = road.note(road.workspace.preview())
    assert not result.ok
    assert "method `offline` has no rollback path" in result.output
    assert "Traceback" not in result.output


def test_cleanup_leaves_the_two_instances_and_no_snapshot(road: Road, source: dict[str, Any]) -> None:
    road.up("cleanup", **MODE)

    assert road.names() == {"orders", "orders-old"}
    assert road.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"] == []
    assert not differing(
        source, road.instance("orders"), MAY_DIFFER - {"DBParameterGroups", "Endpoint", "DBInstanceArn"}
    )


def test_after_cleanup_nothing_is_left_to_do(road: Road) -> None:
    road.require_rest()
