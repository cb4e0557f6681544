"""Checks: the pure parts of what is checked before the fence closes."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.check import Finding, failed, passed
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.cutover import checks
from rds_encrypt.cutover.checks import CHECKS, require_steady
from rds_encrypt.cutover.checks_of_candidate import candidate_durable
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.cutover.timeline import Moment, Timeline
from rds_encrypt.cutover.windows import minutes_until_backup, minutes_until_maintenance
from rds_encrypt.names import Names
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.unit.fakes import FakeSession

SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "minutes"),
    [
        (SUNDAY.replace(hour=4), 30),
        (SUNDAY.replace(hour=4, minute=29), 1),
        (SUNDAY.replace(hour=4, minute=30), 0),
        (SUNDAY.replace(hour=4, minute=59), 0),
        (SUNDAY.replace(hour=5), 7 * 24 * 60 - 30),
        (SUNDAY - timedelta(days=1) + timedelta(hours=4, minutes=30), 24 * 60),
    ],
)
def test_minutes_until_a_weekly_window_opens(now: datetime, minutes: int) -> None:
    assert minutes_until_maintenance("sun:04:30-sun:05:00", now) == minutes


def test_a_window_over_the_end_of_the_week_is_open_on_both_sides() -> None:
    window = "sun:23:30-mon:00:30"
    assert minutes_until_maintenance(window, SUNDAY.replace(hour=23, minute=45)) == 0
    assert minutes_until_maintenance(window, SUNDAY + timedelta(days=1, minutes=15)) == 0
    assert minutes_until_maintenance(window, SUNDAY + timedelta(days=1, minutes=31)) == 7 * 24 * 60 - 61


@given(st.integers(min_value=0, max_value=7 * 24 * 60 - 1))
def test_a_window_is_never_more_than_a_week_away(minute: int) -> None:
    minutes_left = minutes_until_maintenance("wed:01:00-wed:01:30", SUNDAY + timedelta(minutes=minute))
    assert 0 <= minutes_left <= 7 * 24 * 60 - 30


class Looks:
    """What a check sees, look by look; the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
        self.taken = 0
        self._findings = findings
        lag = replace(CHECKS["replication-lag"], run=self._look)
        monkeypatch.setitem(CHECKS, "replication-lag", lag)
        monkeypatch.setattr(checks, "_LOOK", 0.01)

    def _look(self, _site: CutoverContext, _primary: Any, _candidate: Any) -> Finding:
        self.taken += 1
        return self._findings[min(self.taken, len(self._findings)) - 1]


def steady(seconds: int, *accepted: str) -> CutoverContext:
    names = Names("orders")
    return CutoverContext(
        aws=cast(Any, None),
        access=cast(Any, None),
        names=names,
        direction=cutover_direction(names, "db-S", "db-E"),
        source_group="orders-mysql80",
        strategy=cast(Any, None),
        settings=CutoverSettings(lag_steady=seconds),
        verify=VerifySettings(),
        accept=dict.fromkeys(accepted, "a test"),
    )


NEAR, FAR = passed("lag 0 s"), failed("lag 11 s (limit 10 s)")


def watch(context: CutoverContext) -> None:
    require_steady(context, cast(Any, None), cast(Any, None))


def test_the_lag_is_watched_for_as_long_as_it_must_be_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, NEAR)
    began = time.monotonic()
    watch(steady(1))
    assert time.monotonic() - began >= 1
    assert looks.taken > 3


def test_a_lag_that_grows_while_it_is_watched_stops_the_cut_over(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, NEAR, NEAR, FAR)
    with pytest.raises(ActionRequired, match=r"because of replication-lag \(lag 11 s \(limit 10 s\)\)"):
        watch(steady(60))
    assert looks.taken == 3


def test_a_lag_that_the_config_overrules_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, FAR)
    watch(steady(60, "replication-lag"))
    assert looks.taken == 0


def test_checks_are_named_as_one_would_type_them() -> None:
    assert all(name == name.lower() and " " not in name for name in CHECKS)
    assert next(iter(CHECKS)) == "instances-available"


def test_a_moment_is_remembered_the_first_time_only() -> None:
    timeline = Timeline()
    timeline.mark(Moment.FENCED)
    first = timeline.as_outputs()
    timeline.mark(Moment.FENCED)
    timeline.mark(Moment.OPEN)
    assert timeline.as_outputs()[Moment.FENCED] == first[Moment.FENCED]
    assert list(timeline.as_outputs()) == ["fenced", "open"]
    assert datetime.fromisoformat(first["fenced"]).tzinfo is not None


def site_of_owner(ours: dict[str, str], **values: str) -> CutoverContext:
    """A context with what its owner has set in the source's parameter group, and what we have in the encrypted instance's."""
    values_by_group = {"orders-mysql80": values, "orders-encrypted": ours}
    groups = SimpleNamespace(
        user_values=lambda name: {key: (value, "immediate") for key, value in values_by_group[name].items()}
    )
    candidate = SimpleNamespace(identifier="orders-encrypted", parameter_group="orders-encrypted")
    context = SimpleNamespace(
        groups=groups, names=Names("orders"), source_group="orders-mysql80", candidate=lambda: candidate
    )
    return cast(CutoverContext, context)


@pytest.mark.parametrize(
    ("clock", "minutes"),
    [("02:40", 30), ("03:10", 0), ("03:39", 0), ("03:40", 23 * 60 + 30), ("12:10", 15 * 60)],
)
def test_the_minutes_until_a_backup(clock: str, minutes: int) -> None:
    hour, minute = map(int, clock.split(":"))
    assert minutes_until_backup("03:10-03:40", SUNDAY.replace(hour=hour, minute=minute)) == minutes


@pytest.mark.parametrize("window", ["23:45-00:15", "23:45-00:16"])
def test_a_backup_window_may_pass_midnight(window: str) -> None:
    assert minutes_until_backup(window, SUNDAY.replace(hour=0, minute=5)) == 0
    assert minutes_until_backup(window, SUNDAY.replace(hour=23, minute=30)) == 15


@pytest.mark.parametrize(
    ("live", "owner", "passed"),
    [
        ("1", {}, True),
        ("2", {}, False),
        ("2", {"innodb_flush_log_at_trx_commit": "1"}, False),
        ("2", {"innodb_flush_log_at_trx_commit": "2"}, True),
        ("1", {"innodb_flush_log_at_trx_commit": "2"}, True),
    ],
)
def test_the_candidate_is_as_durable_as_its_owner_wants(
    live: str, owner: dict[str, str], *, passed: bool
) -> None:
    variables = [
        {"Variable_name": "innodb_flush_log_at_trx_commit", "Value": live},
        {"Variable_name": "sync_binlog", "Value": "1"},
    ]
    candidate = FakeSession({"SHOW GLOBAL VARIABLES": variables})
    reading = candidate_durable(site_of_owner({}, **owner), cast(Any, None), candidate)
    assert reading.passed is passed
    assert passed or "innodb_flush_log_at_trx_commit is 2, not 1" in reading.what


@pytest.mark.parametrize(
    ("live", "ours", "owner", "passed"),
    [
        ("4", {}, {}, True),
        ("1", {"slave_parallel_workers": "1"}, {}, False),
        ("1", {"slave_parallel_workers": "1"}, {"slave_parallel_workers": "1"}, True),
        ("1", {}, {}, True),
    ],
)
def test_the_candidate_has_the_appliers_that_its_owner_wants(
    live: str, ours: dict[str, str], owner: dict[str, str], *, passed: bool
) -> None:
    names = {"slave_parallel_workers", "replica_parallel_workers"}

    class Candidate(FakeSession):
        def rows(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
            asked = {
                str(name)
                for argument in arguments
                for name in (argument if isinstance(argument, tuple) else (argument,))
            }
            values = dict.fromkeys(names & asked, live) | dict.fromkeys(asked - names, "1")
            return [{"Variable_name": name, "Value": value} for name, value in values.items()]

    reading = candidate_durable(site_of_owner(ours, **owner), cast(Any, None), Candidate({}))
    assert reading.passed is passed
    assert passed or "slave_parallel_workers is 1, not the default" in reading.what
