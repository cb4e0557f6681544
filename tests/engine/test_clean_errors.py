"""A step that requires action says so in one sentence, on the real engine's real terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rds_encrypt.journal import Tag
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("errors")) as deployment:
        yield deployment


def test_a_source_that_another_stack_is_migrating(deployment: Deployment) -> None:
    deployment.client("rds").add_tags_to_resource(
        ResourceName=deployment.instance("orders")["DBInstanceArn"],
        Tags=[{"Key": Tag.OWNER, "Value": "rds-encrypt/elsewhere"}],
    )
    deployment.configure("replicate")

    result = deployment.note(deployment.workspace.up("--skip-preview"))

    assert not result.ok
    assert (
        "error: orders: stack rds-encrypt/elsewhere is already migrating this instance."
        " Continue there. If that stack no longer exists, remove the tag rds-encrypt:owner." in result.output
    )
    assert "Traceback" not in result.output
    assert deployment.names() == {"orders"}
