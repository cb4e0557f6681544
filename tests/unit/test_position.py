"""Where the name is: by tags, and by looking where AWS would not take the tag that ends a move."""

from __future__ import annotations

from typing import Any

import pytest

from rds_encrypt.aws.instance import Instance
from rds_encrypt.journal import Tag
from rds_encrypt.names import Names
from rds_encrypt.position import Position, by_tags, look, phase_under_way
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
        # From the time before a way there and back.
        ({Tag.CUTOVER_BEGAN: LATER, Tag.OPENED: EARLIER}, Position.LEAVING),
        (ROLLBACK_BEGAN, Position.RETURNING),
        ({**ROLLBACK_BEGAN, Tag.ROLLED_BACK: EARLIER}, Position.RETURNING),
        # Complete, and the tags of the move could not be taken off.
        ({**ROLLBACK_BEGAN, Tag.ROLLED_BACK: LATER}, Position.SOURCE),
        ({Tag.ROLLED_BACK: LATER}, Position.SOURCE),
    ],
)
def test_tags_say_it(tags: dict[str, str], position: Position) -> None:
    assert by_tags(tags) is position
    assert look(FakeAws(), NAMES, encrypted("orders-encrypted", tags), None) is position


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
    found = look(FakeAws(read_only=read_only), NAMES, encrypted(name, LEAVING, **changes), None)
    assert found is position


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
    found = encrypted("orders-encrypted", ROLLBACK_BEGAN)
    assert look(FakeAws(read_only=read_only), NAMES, found, source) is position


def test_each_move_is_ended_by_its_phase() -> None:
    assert [phase_under_way(each) for each in Position] == [None, "cutover", None, "rollback"]
