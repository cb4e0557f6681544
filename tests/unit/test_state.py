"""The state of a migration: by tags, and by looking where AWS would not take the tag that ends a move."""

from __future__ import annotations

from typing import Any

import pytest

from rds_encrypt.aws.instance import Instance
from rds_encrypt.journal import Tag
from rds_encrypt.names import Names
from rds_encrypt.state import Position, find_position, owner_group, state_of
from tests.unit.fakes import FakeAws, instance

NAMES = Names("orders")
EARLIER, LATER = "2026-11-25T01:00:00+00:00", "2026-11-25T01:03:00+00:00"
LEAVING: dict[str, str] = {Tag.CUTOVER_BEGAN: EARLIER}
ROLLBACK_BEGAN: dict[str, str] = {Tag.CUTOVER_BEGAN: EARLIER, Tag.OPENED: EARLIER, Tag.ROLLBACK_BEGAN: LATER}


def with_group(name: str, status: str = "in-sync") -> list[dict[str, str]]:
    return [{"DBParameterGroupName": name, "ParameterApplyStatus": status}]


def encrypted(name: str, tags: dict[str, str], **changes: Any) -> Instance:
    return instance(name, tags, DbiResourceId="db-E", **changes)


@pytest.mark.parametrize(
    ("tags", "position"),
    [
        ({}, Position.SOURCE),
        (LEAVING, Position.LEAVING),
        ({**LEAVING, Tag.OPENED: LATER}, Position.ENCRYPTED),
        # From before a round trip.
        ({Tag.CUTOVER_BEGAN: LATER, Tag.OPENED: EARLIER}, Position.LEAVING),
        (ROLLBACK_BEGAN, Position.RETURNING),
        ({**ROLLBACK_BEGAN, Tag.ROLLED_BACK: EARLIER}, Position.RETURNING),
        # Complete, and the tags of the move could not be taken off.
        ({**ROLLBACK_BEGAN, Tag.ROLLED_BACK: LATER}, Position.SOURCE),
        ({Tag.ROLLED_BACK: LATER}, Position.SOURCE),
    ],
)
def test_tags_say_it(tags: dict[str, str], position: Position) -> None:
    encrypted_instance = encrypted("orders-encrypted", tags)
    assert state_of(encrypted=encrypted_instance).position is position
    assert find_position(FakeAws(), NAMES, encrypted_instance, None) is position


@pytest.mark.parametrize(
    ("name", "changes", "read_only", "position"),
    [
        ("orders", {}, "0", Position.ENCRYPTED),
        ("orders", {"DBInstanceStatus": "backing-up"}, "0", Position.ENCRYPTED),
        ("orders", {}, "1", Position.LEAVING),
        ("orders", {"DBInstanceStatus": "renaming"}, "0", Position.LEAVING),
        (
            "orders",
            {"DBParameterGroups": with_group("orders-mysql80", "pending-reboot")},
            "0",
            Position.LEAVING,
        ),
        # Between the two renames it has the owner's group, and waits for the name.
        ("orders-encrypted", {}, "0", Position.LEAVING),
        # Where no name moves, it is opened with the group that held it.
        ("orders-encrypted", {"DBParameterGroups": with_group("orders-encrypted")}, "0", Position.ENCRYPTED),
        ("orders-encrypted", {"DBParameterGroups": with_group("orders-encrypted")}, "1", Position.LEAVING),
    ],
)
def test_a_cutover_without_its_last_tag_is_judged_by_who_is_open(
    name: str, changes: dict[str, Any], read_only: str, position: Position
) -> None:
    actual = find_position(FakeAws(read_only=read_only), NAMES, encrypted(name, LEAVING, **changes), None)
    assert actual is position


@pytest.mark.parametrize(
    ("moved", "position"), [({}, Position.LEAVING), ({Tag.APPLICATIONS_MOVED: "9"}, Position.ENCRYPTED)]
)
def test_an_instance_that_is_open_proves_nothing_before_the_applications_have_moved(
    moved: dict[str, str], position: Position
) -> None:
    changes = {"DBParameterGroups": with_group("orders-encrypted")}
    open_already = encrypted("orders-encrypted", {**LEAVING, Tag.STRATEGY: "dns", **moved}, **changes)
    assert find_position(FakeAws(read_only="0"), NAMES, open_already, None) is position


@pytest.mark.parametrize(
    ("source", "read_only", "position"),
    [
        (instance("orders"), "0", Position.SOURCE),
        (instance("orders"), "1", Position.RETURNING),
        (instance("orders-old", DBParameterGroups=with_group("orders-fence")), "0", Position.RETURNING),
        (None, "0", Position.RETURNING),
    ],
)
def test_so_is_a_rollback(source: Instance | None, read_only: str, position: Position) -> None:
    encrypted_instance = encrypted("orders-encrypted", ROLLBACK_BEGAN)
    assert find_position(FakeAws(read_only=read_only), NAMES, encrypted_instance, source) is position


def test_each_move_is_ended_by_its_phase() -> None:
    assert [position.phase_under_way for position in Position] == [None, "cutover", None, "rollback"]


def test_without_tags_nothing_has_begun() -> None:
    state = state_of(source=instance(), encrypted=None)
    assert state.position is Position.SOURCE
    answers = (state.cutover_begun, state.ever_moved, state.rolled_back, state.fenced, state.verifying)
    assert not any(answers)
    assert (state.partner_id, state.rollback_lost) == (None, None)


@pytest.mark.parametrize(
    ("tags", "begun", "cut_over", "returning"),
    [
        (LEAVING, True, False, False),
        ({**LEAVING, Tag.OPENED: LATER}, True, True, False),
        (ROLLBACK_BEGAN, True, True, True),
        # Somebody removed the tag of the cutover in the middle of its rollback.
        ({Tag.ROLLBACK_BEGAN: LATER}, True, True, True),
        ({**ROLLBACK_BEGAN, Tag.ROLLED_BACK: LATER}, False, False, False),
    ],
)
def test_every_question_about_the_name_has_the_answer_of_its_position(
    tags: dict[str, str], *, begun: bool, cut_over: bool, returning: bool
) -> None:
    state = state_of(encrypted=encrypted("orders", tags))
    assert (state.cutover_begun, state.cut_over, state.returning) == (begun, cut_over, returning)
    assert state.ever_moved is (Tag.CUTOVER_BEGAN in tags or Tag.ROLLED_BACK in tags)


def test_what_a_look_up_found_outranks_the_tags() -> None:
    """AWS refused the tag that ends the move."""
    opened = state_of(encrypted=encrypted("orders", LEAVING), position=Position.ENCRYPTED)
    assert opened.cut_over
    assert opened.cut_over_at.isoformat() == EARLIER
    closed = state_of(source=instance(tags={Tag.FENCE_BEFORE: "off"}), position=Position.SOURCE)
    assert closed.fenced


def test_a_fence_belongs_to_an_interrupted_cutover_until_the_names_move() -> None:
    fenced = instance("orders", {Tag.FENCE_BEFORE: "off", Tag.PARTNER: "db-E", Tag.VERIFYING: EARLIER})
    before = state_of(source=fenced, encrypted=encrypted("orders-encrypted", {}))
    assert (before.fenced, before.partner_id, before.verifying) == (True, "db-E", True)
    assert not state_of(source=fenced, encrypted=encrypted("orders-encrypted", LEAVING)).fenced


def test_the_old_instance_remembers_its_owners_group() -> None:
    assert owner_group(instance()) == instance().parameter_group
    assert owner_group(instance("orders-old", {Tag.FENCED_GROUP: "orders-mysql80"})) == "orders-mysql80"
