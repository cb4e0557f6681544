"""Events that are to fire on the candidate: known before the fence closes, should the primary be gone afterwards."""

from __future__ import annotations

import pytest

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.cutover import due_events
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import events
from tests.unit.fakes import Answer, FakeSession


def session(*listed: tuple[str, str], **more: Answer) -> FakeSession:
    rows = [{"s": "shop", "n": name, "d": "admin@%", "st": status} for name, status in listed]
    return FakeSession({"SELECT event_schema": rows, **more})


PRIMARY = session(("tidy", "ENABLED"), ("count", "ENABLED"), ("never", "DISABLED"), ("gone", "ENABLED"))
CANDIDATE = (("tidy", "REPLICA_SIDE_DISABLED"), ("count", "ENABLED"), ("never", "REPLICA_SIDE_DISABLED"))


def changed(here: FakeSession) -> list[str]:
    return [statement for statement, _ in here.sent if statement.startswith("ALTER")]


def test_what_would_not_fire_there_is_noted_in_few_digits() -> None:
    noted = due_events.note(PRIMARY, session(*CANDIDATE))
    assert list(noted) == [Tag.EVENTS]
    assert len(noted[Tag.EVENTS]) == 8
    assert due_events.note(session(*CANDIDATE), session(*CANDIDATE)) == {}


def test_too_many_for_a_tag_are_reported_if_the_old_instance_is_gone() -> None:
    many = [(f"e{number}", "ENABLED") for number in range(29)]
    asleep = [(name, "REPLICA_SIDE_DISABLED") for name, _ in many]
    assert len(due_events.note(session(*many[:28]), session(*asleep))[Tag.EVENTS]) <= 256
    noted = due_events.note(session(*many), session(*asleep))[Tag.EVENTS]
    with pytest.raises(ActionRequired, match="more than 28 events were enabled"):
        due_events.settle_as_noted(session(*asleep), noted)


def test_without_the_losing_instance_the_note_serves() -> None:
    here = session(*CANDIDATE)
    assert due_events.settle_as_noted(here, due_events.note(PRIMARY, session(*CANDIDATE))[Tag.EVENTS]) == ()
    assert changed(here) == ["ALTER DEFINER = %s@%s EVENT `shop`.`tidy` ENABLE"]
    untouched = session(*CANDIDATE)
    assert due_events.settle_as_noted(untouched, None) == ()
    assert changed(untouched) == []


def test_with_it_each_gets_the_status_that_it_has_there() -> None:
    here = session(*CANDIDATE)
    assert due_events.settle(here, events.inventory(PRIMARY)) == ()
    assert changed(here) == [
        "ALTER DEFINER = %s@%s EVENT `shop`.`tidy` ENABLE",
        "ALTER DEFINER = %s@%s EVENT `shop`.`never` DISABLE",
    ]


def test_one_that_only_its_definer_may_enable_is_told() -> None:
    here = session(*CANDIDATE, ALTER=ActionRequired("not allowed"))
    assert due_events.settle(here, events.inventory(PRIMARY)) == ("shop.tidy", "shop.never")
