"""A few interrupted cutovers (`pytest tests/chaos`); `make chaos-cutover` runs hundreds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.report import sentences
from tests.chaos.schedule import run

_TRIALS = 8
_SECONDS = 75.0
"""After this no further trial begins: a busy machine makes fewer, none in vain."""


@pytest.mark.engine
@pytest.mark.slow
def test_interrupted_swaps_keep_the_invariants(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "0")) or int(time.time())
    record_property("told", f"CHAOS_SEED={seed}")

    report = run(tmp_path, seed=seed, interruptions=_TRIALS, seconds=_SECONDS, tell=lambda _line: None)

    record_property("told", report.summary())
    assert report.interruptions > 0
    assert report.wrong == [], f"CHAOS_SEED={seed}: {report.wrong}\n{dict(sentences(report.trials))}"
