"""The policy pack with the real engine: a preview that it passes, and one that it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.workspace import ROOT, Workspace
from tests.engine.road import Road, driving
from tests.unit.policy_packages import packages

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("policy")) as road:
        settings = {**road.workspace.environment, "PYTHONPATH": str(packages())}
        road.workspace = Workspace(road.workspace.directory, environment=settings)
        yield road


def test_a_migration_passes_as_the_pack_is_delivered(road: Road) -> None:
    result = road.note(road.workspace.preview("--policy-pack", str(ROOT / "policy")))
    assert result.ok, result.output
    assert "rds-encryption@v0.1.0" in result.output


def test_a_key_that_is_not_allowed_fails_the_preview(road: Road, tmp_path: Path) -> None:
    config = tmp_path / "policy.json"
    config.write_text(json.dumps({"key-of-your-own": {"keys": ["arn:aws:kms:us-east-1:1:key/2"]}}))
    options = ("--policy-pack", str(ROOT / "policy"), "--policy-pack-config", str(config))
    result = road.note(road.workspace.preview(*options))
    assert not result.ok
    assert "key-of-your-own" in result.output
    assert "which is none of the keys that are allowed" in result.output
