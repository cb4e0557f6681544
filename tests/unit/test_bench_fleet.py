"""The fleet's bench: who made a call, and how many there were in the busiest minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bench.fleet import step_of
from bench.machine import Memory, machine

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


def test_no_calls_have_no_busiest_minute() -> None:
    assert step_of("up", 1, 1, [], Memory()).peak == 0


def test_the_machine_is_described_in_one_line() -> None:
    assert "CPUs" in machine()
    assert "\n" not in machine()
