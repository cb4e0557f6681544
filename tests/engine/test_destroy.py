"""`pulumi destroy` puts everything back before the cutover, and leaves alone what carries production after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dev.workload.database import value
from rds_encrypt.journal import Tag
from tests.engine.account import look
from tests.engine.checks import (
    MAY_DIFFER,
    differing,
    require_fenced,
    require_production_untouched,
    snapshot_of_production,
)
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("destroy")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def before(deployment: Deployment) -> dict[str, Any]:
    return look(deployment)


def test_destroy_in_replicate_leaves_the_account_as_it_was_found(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    deployment.up("replicate")
    assert look(deployment) != before

    deployment.destroy()

    after = look(deployment)
    for part, was in before.items():
        assert after[part] == was, part


def test_destroy_after_a_cut_over_killed_behind_the_fence_gives_the_source_back(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    deployment.up("replicate")
    deployment.killed_behind_the_fence(lambda: fenced(deployment))
    assert fenced(deployment)

    deployment.destroy()

    after = look(deployment)
    for part, was in before.items():
        assert after[part] == was, part
    with deployment.connected("orders") as connection:
        assert value(connection, "SELECT @@read_only") == 0


def fenced(deployment: Deployment) -> bool:
    return Tag.FENCE_BEFORE in deployment.tags("orders")


def test_replicate_killed_while_the_encrypted_instance_is_restored_gets_there_when_run_again(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    deployment.killed_up(
        "replicate",
        "aws:rds:Instance orders-encrypted creating",
        lambda: "orders-encrypted" in deployment.names(),
    )

    # One run takes over what the dead one left, and completes its settings. The next records them, and changes nothing.
    deployment.up("replicate")
    assert not differing(deployment.instance("orders"), deployment.instance("orders-encrypted"), MAY_DIFFER)
    deployment.up("replicate")

    source, encrypted = deployment.instance("orders"), deployment.instance("orders-encrypted")
    assert not differing(source, encrypted, MAY_DIFFER)
    assert encrypted["StorageEncrypted"] is True
    require_fenced(deployment, "orders-encrypted")
    deployment.require_rest()


@pytest.fixture(scope="module")
def stale(deployment: Deployment) -> str:
    """A state from before the cutover, which has been done since: in it the encrypted instance is called
    `orders-encrypted` and the source `orders`.
    """
    state = deployment.export_state()
    deployment.up("cutover")
    return state


def unprotected(deployment: Deployment) -> list[str]:
    """Take all protection off, as somebody whom a protected resource has stopped would."""
    assert deployment.note(
        deployment.workspace.run("state", "unprotect", "--all", "--yes", "--stack", "dev")
    ).ok
    return []


def of_the_instances(deployment: Deployment) -> list[str]:
    """Name both instances, as in the state."""
    unprotected(deployment)
    urns = [
        resource["urn"]
        for resource in deployment.workspace.resources()
        if "rds/instance:Instance::" in resource["urn"]
    ]
    assert len(urns) == 2
    return [*(option for urn in urns for option in ("--target", urn)), "--target-dependents"]


@pytest.mark.parametrize(
    "options",
    [lambda _: ["--exclude-protected"], of_the_instances, unprotected],
    ids=["exclude-protected", "target", "state unprotect"],
)
def test_destroy_with_a_state_from_before_the_cut_over_leaves_production_alone(
    deployment: Deployment, stale: str, options: Callable[[Deployment], list[str]]
) -> None:
    production = snapshot_of_production(deployment)
    deployment.import_state(stale)
    deployment.configure("replicate")

    deployment.destroy(*options(deployment))

    # The first of them takes our tags off, so that the others find two instances without a mark.
    require_production_untouched(deployment, production)
