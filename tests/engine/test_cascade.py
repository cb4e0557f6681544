"""A replica of a replica comes along: its counterpart follows the one above, and both names move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.account import look
from tests.engine.cascade import ABOVE, BELOW, cascading, chain, require_counterparts
from tests.engine.checks import unfolded
from tests.engine.deployment import Deployment
from tests.engine.readers import require_read, write

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with cascading(tmp_path_factory.mktemp("cascade")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def cascade_before(cascade: Deployment) -> dict[str, Any]:
    return look(cascade)


def test_the_preview_says_that_the_replica_of_a_replica_comes_along(
    cascade: Deployment, cascade_before: dict[str, Any]
) -> None:
    assert chain(cascade, BELOW) == [ABOVE, "orders"]
    assert {ABOVE, BELOW} < cascade_before["instances"].keys()
    cascade.configure("replicate")
    plan = cascade.note(cascade.workspace.preview())
    assert plan.ok, plan.output
    output = unfolded(plan.output)
    assert f"create encrypted replicas of it: {ABOVE}-encrypted" in output
    assert f"create replicas of those: {BELOW}-encrypted" in output
    assert f"its replicas come along: {ABOVE}, {BELOW} (a replica of {ABOVE})" in output


def test_the_replica_of_a_replica_gets_a_counterpart_that_follows_the_one_above(cascade: Deployment) -> None:
    cascade.up("replicate")
    require_counterparts(cascade)


def test_both_names_of_the_cascade_follow_that_of_the_source(cascade: Deployment) -> None:
    cascade.up("cutover")
    write(cascade, "cut over")
    assert chain(cascade, BELOW) == [ABOVE, "orders"]
    assert cascade.instance(BELOW)["StorageEncrypted"]
    assert chain(cascade, f"{BELOW}-old") == [f"{ABOVE}-old", "orders-old"]
    require_read(cascade, BELOW, "cut over")
    require_read(cascade, f"{BELOW}-old", "cut over")
    assert cascade.outputs()["replicas"].keys() == {ABOVE, BELOW}
    cascade.require_rest()


def test_cleanup_deletes_the_old_replica_of_a_replica_before_the_one_that_it_follows(
    cascade: Deployment,
) -> None:
    cascade.up("cutover")
    cascade.up("cleanup")
    assert cascade.names() == {"orders", "orders-old", ABOVE, BELOW}
    assert cascade.instance("orders-old")["DBInstanceStatus"] in {"stopping", "stopped"}
    write(cascade, "cleaned up")
    require_read(cascade, BELOW, "cleaned up")
    cascade.require_rest()


def test_destroy_keeps_the_cascade_of_production_and_no_tag_of_ours(cascade: Deployment) -> None:
    cascade.destroy()
    assert chain(cascade, BELOW) == [ABOVE, "orders"]
    for name in cascade.names():
        assert not [key for key in cascade.tags(name) if key.startswith("rds-encrypt:")]
