"""Parallel appliers: only one while the encrypted instance has to stop somewhere, and exactly its owner's number afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import pytest

from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.mysql.session import Row
from rds_encrypt.parallel_appliers import ParallelAppliers, applier_reduced
from tests.unit.fakes import FakeSession

OLD_NAME, NEW_NAME = "slave_parallel_workers", "replica_parallel_workers"
Values = dict[str, tuple[str, str]]


class Groups:
    """The owner's group and the clone, on a server that has both names, as 8.0 has."""

    def __init__(self, owner: Values, *, name: str = OLD_NAME, default: str = "4") -> None:
        self.values = {"owner": dict(owner), "clone": dict(owner)}
        self.name, self.default = name, default
        self.sent: list[tuple[str, object]] = []

    @property
    def live(self) -> str:
        return self.values["clone"].get(self.name, (self.default,))[0]

    def modifiable(self, name: str, parameters: Sequence[str]) -> list[str]:
        return [self.name] if self.name in parameters else []

    def user_values(self, name: str) -> Values:
        return dict(self.values[name])

    def set_now(self, name: str, values: Mapping[str, str]) -> None:
        self.set_as(name, {key: (value, "immediate") for key, value in values.items()})

    def set_as(self, name: str, values: Mapping[str, tuple[str, str]]) -> None:
        assert name == "clone", "the owner's group is never touched"
        self.sent.append(("set", dict(values)))
        self.values[name] |= values

    def reset_now(self, name: str, parameters: list[str]) -> None:
        assert name == "clone", "the owner's group is never touched"
        self.sent.append(("reset", parameters))
        for parameter in parameters:
            del self.values[name][parameter]


def appliers(groups: Groups, group: str | None = "clone") -> ParallelAppliers:
    @contextmanager
    def session() -> Iterator[FakeSession]:
        yield server(lambda: groups.live)

    return ParallelAppliers(cast(ParameterGroups, groups), group, "owner", session)


def server(live: object) -> FakeSession:
    def rows() -> list[Row]:
        value = live() if callable(live) else live
        return [{"Variable_name": name, "Value": value} for name in (OLD_NAME, NEW_NAME)]

    return FakeSession({"SHOW GLOBAL VARIABLES": rows})


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ({}, OLD_NAME),
        ({OLD_NAME: ("8", "immediate")}, OLD_NAME),
        ({OLD_NAME: ("8", "pending-reboot")}, OLD_NAME),
        ({NEW_NAME: ("16", "pending-reboot")}, NEW_NAME),
    ],
)
def test_there_is_one_applier_meanwhile_and_the_group_is_as_before_afterwards(
    owner: Values, name: str
) -> None:
    groups = Groups(owner, name=name)
    before = groups.user_values("clone")
    with appliers(groups).reduced():
        assert groups.live == "1"
        assert groups.values["clone"] == {**before, name: ("1", "immediate")}
    assert groups.values["clone"] == before


@pytest.mark.parametrize("live", ["0", "1"])
def test_where_there_is_one_already_nothing_is_changed(live: str) -> None:
    groups = Groups({OLD_NAME: (live, "immediate")})
    with appliers(groups).reduced():
        pass
    appliers(groups).put_back()
    assert groups.sent == []


def test_it_is_put_back_when_the_comparison_fails() -> None:
    groups = Groups({})
    with pytest.raises(ActionRequired, match="broken"), appliers(groups).reduced():
        raise ActionRequired("broken")
    assert groups.live == "4"


def test_what_a_killed_run_left_is_found_by_looking() -> None:
    groups = Groups({OLD_NAME: ("8", "immediate")})
    groups.values["clone"][OLD_NAME] = ("1", "immediate")
    assert reduced(groups) == ["slave_parallel_workers is 1, not 8"]
    appliers(groups).put_back()
    assert groups.values["clone"] == groups.values["owner"]
    assert reduced(groups) == []


def test_the_default_counts_as_the_owner_s_wish() -> None:
    groups = Groups({})
    groups.values["clone"][OLD_NAME] = ("1", "immediate")
    assert reduced(groups) == ["slave_parallel_workers is 1, not the default"]


@pytest.mark.parametrize("value", ["0", "1", "4"])
def test_nobody_is_accused_who_has_what_the_owner_wants(value: str) -> None:
    assert reduced(Groups({OLD_NAME: (value, "immediate")})) == []


def reduced(groups: Groups) -> list[str]:
    return applier_reduced(server(groups.live), groups.values["clone"], groups.values["owner"])


def test_a_group_that_is_not_ours_is_never_changed() -> None:
    groups = Groups({})
    with (
        pytest.raises(ActionRequired, match="does not run with the parameter group"),
        appliers(groups, None).reduced(),
    ):
        raise AssertionError("it went on")
    appliers(groups, None).put_back()
    assert groups.sent == []


def test_a_family_that_cannot_say_so_is_told() -> None:
    groups = Groups({}, name="something_else")
    groups.default = "4"
    with pytest.raises(ActionRequired, match="cannot reduce them") as caught, appliers(groups).reduced():
        raise AssertionError("it went on")
    assert "verify.level" in caught.value.fix
