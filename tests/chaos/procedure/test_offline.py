"""Method `offline`, interrupted: downtime was agreed to, a lost write or something left behind was not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dev.workload.database import rows
from rds_encrypt.journal import Tag
from tests.chaos.procedure import judge
from tests.chaos.procedure.chain import follow
from tests.chaos.procedure.points import Point
from tests.chaos.procedure.run import Run
from tests.engine.account import look
from tests.engine.checks import require_equal_tables, require_fenced, require_one_event
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

POINTS = (
    Point("WriteFence orders", "inside", "kill everything", calls=2),
    Point("Snapshot orders-not-encrypted", "after", "credentials expire"),
    Point("SnapshotCopy orders-encrypted", "inside", "Ctrl-C"),
    Point("Instance orders-encrypted", "inside", "kill everything", calls=2),
    Point("DeletionGuard orders", "before", "kill the providers"),
    Point("Cutover orders", "before", "asleep for long"),
    Point("Cutover orders", "inside", "kill everything", calls=12),
)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("snapshot")) as deployment:
        deployment.always["method"] = "offline"
        yield deployment


@pytest.fixture(scope="module")
def before(deployment: Deployment) -> dict[str, Any]:
    return look(deployment)


def killed_in(deployment: Deployment, step: str, calls: int = 2) -> None:
    """Kill a cutover while it makes something, and unlock the stack."""
    deployment.configure("cutover")
    ending = Run(deployment, "up", [Point(step, "inside", "kill everything", calls)]).ending()
    assert ending.kind == "killed"
    deployment.workspace.run("cancel", "--yes", "--stack", deployment.workspace.stack)


def require_given_back(deployment: Deployment, before: dict[str, Any]) -> None:
    """Require that `pulumi destroy` leaves the account and the source as they were."""
    chain = follow(deployment, "destroy", "destroy", ())
    assert chain.wrong == []
    assert judge.as_it_was(deployment, before) == []


def test_destroy_after_a_kill_behind_the_fence_gives_the_source_back(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    deployment.up("replicate")
    killed_in(deployment, "Instance orders-encrypted")
    require_fenced(deployment, "orders")

    require_given_back(deployment, before)


def test_destroy_after_a_kill_inside_the_fence_gives_the_source_back(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    """The step that closed it is in no state; only the tag knows what to restore."""
    deployment.up("replicate")
    killed_in(deployment, "WriteFence orders", calls=9)
    assert Tag.FENCE_BEFORE in deployment.tags("orders")
    deployment.configure("replicate")
    refused = deployment.note(deployment.workspace.up("--skip-preview"))
    assert "a cutover was interrupted, and the source is still fenced" in refused.output

    require_given_back(deployment, before)
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'open again' WHERE id = 1")


def test_a_copy_from_before_the_last_write_never_becomes_production(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    """The fence is lifted after a kill, while RDS still takes the snapshot; what the kill left is older than the next fence."""
    killed_in(deployment, "Instance orders-encrypted")
    deployment.up("replicate")
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'after the fence' WHERE id = 1")
    deployment.configure("cutover")

    refused = deployment.note(deployment.workspace.up())

    assert not refused.ok
    # RDS may have purged the binlogs that would tell: back in phase `replicate`, their retention is the owner's again.
    assert re.search(r"applications have written there since|binlogs since \S+ are gone", refused.output)
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'still open' WHERE id = 1")

    require_given_back(deployment, before)


def test_a_kill_while_the_snapshot_is_taken_leaves_no_fence(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    """RDS shows the source as `backing-up` meanwhile."""
    deployment.up("replicate")
    killed_in(deployment, "Snapshot orders-not-encrypted")

    deployment.up("replicate")

    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'open' WHERE id = 1")
    require_given_back(deployment, before)


def test_a_cut_over_comes_to_its_end_whatever_happens_on_the_way(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    deployment.up("replicate")
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'the last write' WHERE id = 1")
    deployment.configure("cutover")

    chain = follow(deployment, "up", "cutover", POINTS)

    assert [text for result in chain.results for text in result.wrong] + chain.wrong == []
    assert {result.point for result in chain.results} == set(POINTS)
    assert deployment.names() == {"orders", "orders-old"}
    assert deployment.instance("orders")["StorageEncrypted"] is True
    with deployment.connected("orders", application=True) as connection:
        (row,) = rows(connection, "SELECT note FROM orders WHERE id = 1")
        assert row["note"] == "the last write"
    require_fenced(deployment, "orders-old")
    require_one_event(deployment, "orders", "orders-old")
    require_equal_tables(deployment, "orders-old", "orders")
    deployment.require_rest()


def test_cleanup_and_destroy_leave_production_alone(deployment: Deployment, before: dict[str, Any]) -> None:
    deployment.configure("cleanup")
    point = Point("Retirement orders", "inside", "kill everything", calls=3)

    chain = follow(deployment, "up", "cleanup", [point])

    assert [text for result in chain.results for text in result.wrong] + chain.wrong == []
    assert judge.cleaned_up(deployment, before["instances"]["orders"]) == []
    deployment.destroy()
    assert judge.retired(deployment) == []
