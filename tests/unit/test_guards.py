"""Guards: pure parts of what is asked before the fence closes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.cutover.guards import GUARDS, minutes_until_maintenance, winner_settings
from migration.cutover.site import Site
from migration.cutover.timeline import Moment, Timeline
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
    found = minutes_until_maintenance("wed:01:00-wed:01:30", SUNDAY + timedelta(minutes=minute))
    assert 0 <= found <= 7 * 24 * 60 - 30


def test_guards_are_named_as_one_would_type_them() -> None:
    assert all(name == name.lower() and " " not in name for name in GUARDS)
    assert next(iter(GUARDS)) == "both-available"


def test_a_moment_is_remembered_the_first_time_only() -> None:
    timeline = Timeline()
    timeline.mark(Moment.FENCED)
    first = timeline.as_outputs()
    timeline.mark(Moment.FENCED)
    timeline.mark(Moment.OPEN)
    assert timeline.as_outputs()[Moment.FENCED] == first[Moment.FENCED]
    assert list(timeline.as_outputs()) == ["fenced", "open"]
    assert datetime.fromisoformat(first["fenced"]).tzinfo is not None


def site_of_owner(**values: str) -> Site:
    """A site whose owner has set so much in the parameter group of the source."""
    groups = SimpleNamespace(
        user_values=lambda name: (
            {key: (value, "immediate") for key, value in values.items()} if name == "orders-mysql80" else {}
        )
    )
    winning = SimpleNamespace(identifier="orders-encrypted")
    return cast(Site, SimpleNamespace(groups=groups, source_group="orders-mysql80", winning=lambda: winning))


@pytest.mark.parametrize(
    ("live", "owner", "green"),
    [
        ("1", {}, True),
        ("2", {}, False),
        ("2", {"innodb_flush_log_at_trx_commit": "1"}, False),
        ("2", {"innodb_flush_log_at_trx_commit": "2"}, True),
        ("1", {"innodb_flush_log_at_trx_commit": "2"}, True),
    ],
)
def test_the_winner_is_as_durable_as_its_owner_wants(
    live: str, owner: dict[str, str], *, green: bool
) -> None:
    seen = [
        {"Variable_name": "innodb_flush_log_at_trx_commit", "Value": live},
        {"Variable_name": "sync_binlog", "Value": "1"},
    ]
    winning = FakeSession({"SHOW GLOBAL VARIABLES": seen})
    reading = winner_settings(site_of_owner(**owner), cast(Any, None), winning)
    assert reading.green is green
    assert green or "innodb_flush_log_at_trx_commit is 2, not 1" in reading.saw
