"""The fleet's bench: who made a call, and how many there were in the busiest minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dev.bench.fleet import Step, step_of
from dev.bench.machine import Memory
from dev.bench.plain import Size
from dev.bench.stack import call_lines, size_of, stack_lines

START = datetime(2026, 11, 25, tzinfo=UTC)


def call(
    seconds: float, agent: str = "Boto3/1.44 rds-encrypt", action: str = "DescribeDBInstances"
) -> dict[str, Any]:
    return {"time": (START + timedelta(seconds=seconds)).isoformat(), "agent": agent, "action": action}


def test_calls_are_counted_by_who_made_them() -> None:
    step = step_of("up replicate", 2, 12.34, [call(0), call(1, agent="pulumi-resource-aws")], Memory(301.4))
    assert (step.calls, step.ours) == (2, 1)
    assert step.actions == {"ours DescribeDBInstances": 1, "provider DescribeDBInstances": 1}
    assert (step.seconds, step.memory) == (12.3, 301)


def test_the_busiest_minute_need_not_begin_with_the_first_call() -> None:
    moments = [0, 50, 70, 90, 109, 200]
    assert step_of("up", 1, 1, [call(moment) for moment in moments], Memory()).peak == 4


def step(what: str, sources: int, *, seconds: float = 1.0, ours: int = 0, memory: float = 0.0) -> Step:
    return Step(what, sources, seconds, ours, ours, ours, ours, memory, {})


FIRST = [
    step(f"{verb} {of}", count, seconds=seconds * count, memory=100.0 + count * megabytes)
    for count in (1, 10)
    for of, seconds, megabytes in (("replicate", 3.0, 20.0), ("plain", 1.5, 5.0))
    for verb in ("preview", "up", "no-change")
]


def test_a_stack_is_measured_beside_a_plain_one_of_the_same_number_of_sources() -> None:
    lines = {line.name: line for line in stack_lines(FIRST)}
    assert lines["`up` without a change, 10 sources"].ratio == 2.0
    assert (lines["memory of `up`, 1 source"].ours, lines["memory of `up`, 1 source"].peer) == (120.0, 105.0)


def test_growth_is_what_each_further_source_adds() -> None:
    lines = {line.name: line for line in stack_lines(FIRST)}
    assert lines["memory, for each source from 1 to 10"].ours == 20.0
    assert lines["`up` in `replicate`, for each source from 1 to 10"].ours == 3.0
    assert lines["`up` in `replicate`, for each source from 1 to 10"].ratio == 2.0


def test_calls_of_all_phases_are_told_of_those_that_went_all_the_way() -> None:
    steps = [
        step("up replicate", 1, ours=90),
        step("up cutover", 1, ours=110),
        step("up cleanup", 1, ours=50),
        step("up replicate", 10, ours=1000),
        step("preview replicate", 10, ours=7),
    ]
    lines = {line.name: line for line in call_lines(steps)}
    assert lines["our AWS calls for a source, all phases, 1 source"].ours == 250
    assert "our AWS calls for a source, all phases, 10 sources" not in lines
    more = lines["our AWS calls for a source, `replicate`, 10 sources"]
    assert (more.ours, more.peer) == (100.0, 90.0)
    assert more.complaint
    assert lines["our AWS calls in the busiest minute, nothing to wait for, 1 source"].ours == 110


def test_a_state_is_counted_without_what_the_engine_adds() -> None:
    kinds = [
        "pulumi:pulumi:Stack",
        "pulumi:providers:aws",
        "pulumi:providers:pulumi-python",
        "rds-encrypt:index:Migration",
        "aws:rds/instance:Instance",
        "aws:rds/snapshot:Snapshot",
        "pulumi-python:dynamic/rds:Claim",
    ]
    assert size_of({"type": kind} for kind in kinds) == Size(components=1, aws=2, dynamic=1)
