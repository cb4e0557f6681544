"""Shared set-up of the engine tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

# A failed assertion in a helper says as much as one in a test.
pytest.register_assert_rewrite("tests.engine.checks", "tests.engine.deployment", "tests.engine.account")

from tests.engine.faults.stage import Stage, staged  # noqa: E402 - what it imports is rewritten only from here on


@pytest.fixture(scope="session")
def broken_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A source in phase `replicate` that faults are provoked on, and that is then driven back and forth; see its two modules."""
    with staged(tmp_path_factory.mktemp("broken")) as stage:
        yield stage
