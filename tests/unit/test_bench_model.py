from __future__ import annotations

import pytest

from dev.bench.model import model_for


def test_a_rename_is_long_where_names_are_swapped() -> None:
    model = model_for("rename")

    assert model.rename == pytest.approx(7.5)
    assert model.parameter == pytest.approx(1.0)


def test_the_waiter_of_the_runbook_is_as_impatient_as_everything_is_quick() -> None:
    model = model_for("rename")

    assert 1 / model.compression == pytest.approx(12.0)
    assert model.waiter_delay == pytest.approx(2.5)
