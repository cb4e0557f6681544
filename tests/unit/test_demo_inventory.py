"""What is left behind: everything that is there after a migration and was not before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dev.demo.inventory import Inventory, left_behind, missing

BEFORE = Inventory(
    instances=frozenset({"orders"}),
    snapshots=frozenset({"before-upgrade"}),
    parameter_groups={"orders-mysql80": {"binlog_format": "ROW", "max_connections": "200"}},
    firewalls=frozenset({"default"}),
    rules=frozenset({"sgr-1 in sg-1"}),
    accounts=frozenset({"admin@%", "app@%"}),
    binlog_retention="None",
    follows="",
)
KEPT = {"orders-old", "orders-fence"}


def after(**changes: Any) -> Inventory:
    return replace(BEFORE, **changes)


def test_the_same_world_has_nothing_left_behind() -> None:
    assert left_behind(BEFORE, BEFORE, KEPT) == []


def test_what_is_kept_on_purpose_is_not_left_behind() -> None:
    world = after(
        instances=frozenset({"orders", "orders-old"}),
        parameter_groups={**BEFORE.parameter_groups, "orders-fence": {"read_only": "1"}},
    )
    assert left_behind(BEFORE, world, KEPT) == []


def test_what_the_owner_removed_meanwhile_is_not_left_behind() -> None:
    assert left_behind(BEFORE, after(snapshots=frozenset(), rules=frozenset()), KEPT) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"instances": frozenset({"orders", "orders-not-encrypted"})}, "instance orders-not-encrypted"),
        ({"snapshots": frozenset({"before-upgrade", "orders-encrypted"})}, "snapshot orders-encrypted"),
        (
            {"parameter_groups": {**BEFORE.parameter_groups, "orders-encrypted": {}}},
            "parameter group orders-encrypted",
        ),
        ({"rules": BEFORE.rules | {"sgr-2 in sg-1"}}, "security group rule sgr-2 in sg-1"),
        ({"accounts": BEFORE.accounts | {"replicator@%"}}, "MySQL account replicator@%"),
        ({"binlog_retention": "72"}, "binlog retention hours 72, formerly None"),
        ({"follows": "127.77.0.11"}, "replication from 127.77.0.11"),
    ],
)
def test_each_kind_of_thing_left_behind_is_named(changes: dict[str, Any], sentence: str) -> None:
    assert left_behind(BEFORE, after(**changes), KEPT) == [sentence]


def test_a_fence_left_in_the_owners_group_is_left_behind() -> None:
    fenced = {"orders-mysql80": {**BEFORE.parameter_groups["orders-mysql80"], "read_only": "1"}}
    assert left_behind(BEFORE, after(parameter_groups=fenced), KEPT) == [
        "parameter read_only=1, formerly (default), in group orders-mysql80"
    ]


def test_a_lost_thing_of_the_owner_s_is_missing() -> None:
    world = after(snapshots=frozenset(), accounts=frozenset({"admin@%"}), parameter_groups={})
    assert missing(BEFORE, world) == [
        "snapshot before-upgrade",
        "parameter group orders-mysql80",
        "MySQL account app@%",
    ]
    assert missing(BEFORE, BEFORE) == []
