"""What `pulumi destroy` does: everything back before the cutover, nothing to what carries production after it."""

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
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("destroy")) as road:
        yield road


@pytest.fixture(scope="module")
def before(road: Road) -> dict[str, Any]:
    return look(road)


def test_destroy_in_replicate_leaves_the_account_as_it_was_found(road: Road, before: dict[str, Any]) -> None:
    road.up("replicate")
    assert look(road) != before

    road.destroy()

    after = look(road)
    for part, was in before.items():
        assert after[part] == was, part


def test_destroy_after_a_cut_over_killed_behind_the_fence_gives_the_source_back(
    road: Road, before: dict[str, Any]
) -> None:
    road.up("replicate")
    road.killed_behind_the_fence(lambda: fenced(road))
    assert fenced(road)

    road.destroy()

    after = look(road)
    for part, was in before.items():
        assert after[part] == was, part
    with road.connected("orders") as connection:
        assert value(connection, "SELECT @@read_only") == 0


def fenced(road: Road) -> bool:
    return Tag.FENCE_BEFORE in road.tags("orders")


def test_replicate_killed_while_the_encrypted_instance_is_restored_gets_there_when_run_again(
    road: Road, before: dict[str, Any]
) -> None:
    road.killed_up(
        "replicate",
        "aws:rds:Instance orders-encrypted creating",
        lambda: "orders-encrypted" in road.names(),
    )

    # One run takes over what the dead one left, and completes its settings. The next records them, and changes nothing.
    road.up("replicate")
    assert not differing(road.instance("orders"), road.instance("orders-encrypted"), MAY_DIFFER)
    road.up("replicate")

    source, encrypted = road.instance("orders"), road.instance("orders-encrypted")
    assert not differing(source, encrypted, MAY_DIFFER)
    assert encrypted["StorageEncrypted"] is True
    require_fenced(road, "orders-encrypted")
    road.require_rest()


@pytest.fixture(scope="module")
def stale(road: Road) -> str:
    """A state from before the cutover, which has been done since: in it the encrypted instance is called
    `orders-encrypted` and the source `orders`.
    """
    state = road.export_state()
    road.up("cutover")
    return state


def unprotected(road: Road) -> list[str]:
    """Take all protection off, as somebody would whom a protected resource has stopped."""
    assert road.note(road.workspace.run("state", "unprotect", "--all", "--yes", "--stack", "dev")).ok
    return []


def of_the_instances(road: Road) -> list[str]:
    """Name both instances, as in the state."""
    unprotected(road)
    found = [each["urn"] for each in road.workspace.resources() if "rds/instance:Instance::" in each["urn"]]
    assert len(found) == 2
    return [*(option for urn in found for option in ("--target", urn)), "--target-dependents"]


@pytest.mark.parametrize(
    "options",
    [lambda _: ["--exclude-protected"], of_the_instances, unprotected],
    ids=["exclude-protected", "target", "state unprotect"],
)
def test_destroy_with_a_state_from_before_the_cut_over_leaves_production_alone(
    road: Road, stale: str, options: Callable[[Road], list[str]]
) -> None:
    production = snapshot_of_production(road)
    road.import_state(stale)
    road.configure("replicate")

    road.destroy(*options(road))

    # The first of them takes our tags off, so that the others find two instances that nothing marks.
    require_production_untouched(road, production)
