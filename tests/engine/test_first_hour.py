"""docs/first-hour.md still tells the truth: everything on it is typed again, into a shell in a fresh copy of the repository."""

from __future__ import annotations

import pytest

from dev.demo import first_hour

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_what_a_newcomer_types_is_answered_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert first_hour.main(["--check"]) == 0, capsys.readouterr().out
