"""`Migration` in a user's own program: examples/in-your-program, with the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev.sandbox import Sandbox
from dev.sandbox.seed import seed
from dev.workload.workspace import ROOT, Workspace
from rds_encrypt.reports.files import DIRECTORY

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROJECT = ROOT / "examples" / "in-your-program"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    directory = tmp_path_factory.mktemp("own")
    with Sandbox.running(directory / "sandbox") as sandbox:
        seeded = seed(sandbox, rows=500, identifier="orders")
        environment = {**sandbox.settings(), "PYTHONPATH": str(ROOT), DIRECTORY: str(directory / "reports")}
        workspace = Workspace(directory / "workspace", environment=environment, project=PROJECT)
        workspace.create()
        source = {
            "identifier": seeded.identifier,
            "kmsKey": f"alias/{seeded.identifier}",
            "credentials": {"secretId": seeded.master_secret},
            "caFile": str(seeded.ca_bundle.resolve()),
        }
        workspace.config_set("our-platform:orders", json.dumps(source))
        yield workspace


def test_it_replicates_and_has_nothing_to_do_then(workspace: Workspace) -> None:
    done = workspace.up("--skip-preview")
    assert done.ok, done.output
    outputs = workspace.outputs()
    assert outputs["orders"]["phase"] == "replicate"
    assert outputs["reached"].startswith("the encrypted instance follows; found equal at ")
    unchanged = workspace.preview(expect_no_changes=True)
    assert unchanged.ok, unchanged.output


def test_a_mistake_in_the_settings_is_one_sentence(workspace: Workspace) -> None:
    result = workspace.preview("--config", "our-platform:orders={}")
    assert not result.ok
    assert "Traceback" not in result.output, result.output
    assert "identifier: this key is missing" in result.output


def test_destroy_leaves_nothing(workspace: Workspace) -> None:
    gone = workspace.destroy("--skip-preview")
    assert gone.ok, gone.output
    assert workspace.resources() == []
