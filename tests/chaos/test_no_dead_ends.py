"""A few cases of `make chaos-no-dead-ends`: whatever fails for good after the point of no return, there is a command that leads on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.dead_ends import drawn, ground, run_cases

_SAMPLE = ("no tag can be changed", "old deleted", "binlogs purged")
"""One of each sort of thing that production does not need; their operations are drawn each time."""


@pytest.mark.engine
@pytest.mark.slow
def test_what_production_does_not_need_strands_nobody(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "0")) or int(time.time())
    record_property("told", f"CHAOS_SEED={seed}")

    with ground(tmp_path) as place:
        done = run_cases(place, drawn(seed, len(_SAMPLE), _SAMPLE), lambda _line: None)

    wrong = [f"{case}: {case.said}" for case in done if case.wrong]
    assert not wrong, f"CHAOS_SEED={seed}: {wrong}"
