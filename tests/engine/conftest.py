"""Shared set-up of the engine tests."""

from __future__ import annotations

import pytest

# A failed assertion in a helper says as much as one in a test.
pytest.register_assert_rewrite("tests.engine.checks", "tests.engine.road", "tests.engine.account")
