"""A sample of the interruptions for the gate: a migration that dies three times on its way, and whose state is lost at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.procedure import judge
from tests.chaos.procedure.chain import follow
from tests.chaos.procedure.journey import lose_state
from tests.chaos.procedure.points import Point
from tests.engine.deployment import driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

POINTS = (
    Point("ReplicationUser orders", "before", "Ctrl-C"),
    Point("Snapshot orders-not-encrypted", "after", "credentials expire"),
    Point("Instance orders-encrypted", "inside", "kill everything", calls=2),
    Point("CatchUp orders", "before", "asleep for long"),
)


def test_a_migration_that_dies_on_its_way_is_completed_by_running_it_again(tmp_path: Path) -> None:
    with driving(tmp_path) as deployment:
        deployment.configure("replicate")

        chain = follow(deployment, "up", "replicate", POINTS)

        assert {result.point for result in chain.results} == set(POINTS)
        assert [text for result in chain.results for text in result.wrong] + chain.wrong == []
        assert judge.replicating(deployment) == []
        assert lose_state(deployment, "replicate", lambda: judge.replicating(deployment)).wrong == []
