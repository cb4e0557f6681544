"""Tags that were just written, in front of descriptions that do not show them yet."""

from __future__ import annotations

from rds_encrypt.aws.recent_tags import RecentTags
from tests.unit.fakes import instance


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def tags_of(recent: RecentTags, **described: str) -> dict[str, str]:
    description = recent.applied_to(instance("orders", tags=described).description)
    return {tag["Key"]: tag["Value"] for tag in description["TagList"]}


def test_what_was_written_and_removed_is_seen_before_aws_describes_it() -> None:
    recent = RecentTags()
    recent.note("db-ORDERS", {"gone": "1", "other": "2"}, {"new": "3", "gone": None})
    for _ in range(2):
        assert tags_of(recent, gone="1", other="2") == {"new": "3", "other": "2"}


def test_once_aws_has_caught_up_its_word_counts() -> None:
    recent = RecentTags()
    recent.note("db-ORDERS", {}, {"new": "3"})
    assert tags_of(recent, new="3") == {"new": "3"}
    # Taken off by somebody else, a moment later.
    assert tags_of(recent) == {}


def test_a_third_value_is_anothers() -> None:
    recent = RecentTags()
    recent.note("db-ORDERS", {}, {"owner": "ours"})
    assert tags_of(recent, owner="theirs") == {"owner": "theirs"}


def test_after_a_minute_aws_is_believed() -> None:
    clock = Clock()
    recent = RecentTags(clock)
    recent.note("db-ORDERS", {}, {"new": "3"})
    clock.now += 61
    assert tags_of(recent) == {}


def test_other_instances_are_left_alone() -> None:
    recent = RecentTags()
    recent.note("db-INVOICES", {}, {"new": "3"})
    assert tags_of(recent) == {}
