"""Back after a while of writes on the encrypted instance, and there again: no acknowledged write is lost on the way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.chaos import invariants
from tests.chaos.stage import Stage, staged

pytestmark = [pytest.mark.engine, pytest.mark.slow]

_SECONDS = float(os.environ.get("WRITES_BEFORE_ROLLBACK", "10"))
"""`make test-long` waits for 60."""
_RATE = 5
"""Acknowledged writes a second that are few enough for any machine."""


def test_rollback_after_a_while_of_writes_and_a_cut_over_again(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        swap(stage)
        write_on(stage)
        swap(stage)
        write_on(stage)
        swap(stage)
        wrong = [
            text
            for trial in range(stage.traffic.trial + 1)
            for text in invariants.accounting(
                stage.traffic.acks(trial), stage.rows_of(stage.direction.primary, trial)
            )
        ]
        assert not wrong, wrong
        assert invariants.untouched(stage) == []


def swap(stage: Stage) -> None:
    """Go one way, undisturbed but for the applications."""
    direction = stage.direction
    stage.traffic.trial += 1
    ending = stage.start(direction).ending()
    assert ending.kind == "completed", str(ending)
    stage.swapped = not stage.swapped
    trouble = invariants.completed(stage, direction)
    assert not trouble, trouble


def write_on(stage: Stage) -> None:
    """Let the applications write where they are now."""
    began = time.monotonic()
    time.sleep(_SECONDS)
    here = stage.servers[stage.direction.primary]
    written = [ack for ack in stage.traffic.acks() if ack.began > began and ack.server == here]
    assert len(written) > _RATE * _SECONDS
