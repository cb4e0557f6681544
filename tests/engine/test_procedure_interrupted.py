"""Interrupted on the way and run again, or given up: a sample of what `make chaos` does at every step, on both engines.

It begins where tests/engine/test_faults.py ends: in phase `replicate`, with a channel that nothing mends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.procedure import judge
from tests.chaos.procedure.chain import Chain, follow
from tests.chaos.procedure.journey import killed_and_given_up, lose_state, second_backend
from tests.chaos.procedure.points import Point
from tests.engine.deployment import Deployment
from tests.engine.faults.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ON_THE_WAY = (
    Point("Instance orders-not-encrypted", "inside", "kill everything", calls=2),
    Point("SnapshotCopy orders-encrypted", "inside", "credentials expire", calls=1),
    Point("ExternalReplication orders", "inside", "kill the CLI", calls=3),
)
ON_ROLLBACK = (
    Point("ExternalReplication orders", "inside", "kill everything", calls=2),
    Point("Claim orders", "inside", "credentials expire", calls=1),
)


@pytest.fixture(scope="module")
def deployment(broken_stage: Stage) -> Deployment:
    return broken_stage.deployment


@pytest.fixture(scope="module")
def before(broken_stage: Stage) -> dict[str, Any]:
    return broken_stage.before


def wrong(chain: Chain, points: int) -> list[str]:
    problems = [wrong for result in chain.results for wrong in result.wrong] + chain.wrong
    return problems if len(chain.results) == points else [*problems, "not all points were come to"]


def test_destroy_comes_to_its_end_whatever_happens_on_the_way(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    deployment.configure("replicate")
    chain = follow(deployment, "destroy", "destroy", ON_ROLLBACK)

    assert wrong(chain, len(ON_ROLLBACK)) == []
    assert judge.as_it_was(deployment, before) == []


def test_what_a_killed_run_made_is_gone_after_destroy(deployment: Deployment, before: dict[str, Any]) -> None:
    assert killed_and_given_up(deployment, before).wrong == []


def test_replicate_comes_to_its_end_whatever_happens_on_the_way(deployment: Deployment) -> None:
    chain = follow(deployment, "up", "replicate", ON_THE_WAY)

    assert wrong(chain, len(ON_THE_WAY)) == []
    assert judge.replicating(deployment) == []


def test_a_stack_of_the_same_name_in_another_backend_is_refused(
    deployment: Deployment, tmp_path: Path
) -> None:
    assert second_backend(deployment, tmp_path, deployment.workspace.stack).wrong == []


def test_a_lost_state_is_found_again_in_the_world(deployment: Deployment) -> None:
    assert lose_state(deployment, "replicate", lambda: judge.replicating(deployment)).wrong == []
