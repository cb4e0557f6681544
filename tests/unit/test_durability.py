"""Durability while catching up: what may be relaxed, what counts as left behind, and what is put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import pytest

from components.settings import source_settings
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.durability import RELAXED, Durability, crash_safe, less_durable
from rds_encrypt.mysql.session import Row
from rds_encrypt.settings import CatchUpSettings, SourceSettings
from tests.unit.fakes import FakeSession

FLUSH, SYNC = RELAXED
OWN: dict[str, tuple[str, str]] = {"max_connections": ("200", "pending-reboot")}


class Groups:
    """Two groups; what is set in the clone is in effect on its server at once, unless that is deaf."""

    def __init__(self, owner: Mapping[str, tuple[str, str]], *, deaf: bool = False) -> None:
        self.values = {"owner": {**OWN, **owner}, "clone": {**OWN, **owner}}
        self.deaf = deaf
        self.live = {name: self.values["clone"].get(name, ("1",))[0] for name in RELAXED}

    def user_values(self, name: str) -> dict[str, tuple[str, str]]:
        return dict(self.values[name])

    def set_now(self, name: str, values: Mapping[str, str]) -> None:
        assert name == "clone", "the owner's group is never touched"
        self.values[name] |= {key: (value, "immediate") for key, value in values.items()}
        if not self.deaf:
            self.live |= values

    def reset_now(self, name: str, parameters: list[str]) -> None:
        assert name == "clone", "the owner's group is never touched"
        for parameter in parameters:
            del self.values[name][parameter]
            if not self.deaf:
                self.live[parameter] = "1"


def rows_of(variables: Mapping[str, str]) -> list[Row]:
    return [{"Variable_name": name, "Value": value} for name, value in variables.items()]


def server(**variables: str) -> FakeSession:
    return FakeSession({"SHOW GLOBAL VARIABLES": rows_of(variables)})


def durability(groups: Groups) -> Durability:
    @contextmanager
    def session() -> Iterator[FakeSession]:
        yield FakeSession({"SHOW GLOBAL VARIABLES": lambda: rows_of(groups.live)})

    return Durability(cast(ParameterGroups, groups), "clone", "owner", session)


OWNERS = [
    {},
    {FLUSH: ("1", "immediate")},
    {FLUSH: ("1", "immediate"), SYNC: ("1", "immediate")},
    {FLUSH: ("2", "immediate")},
    {FLUSH: ("0", "immediate"), SYNC: ("1000", "immediate")},
    {FLUSH: ("1", "pending-reboot")},
]


@pytest.mark.parametrize("owner", OWNERS)
def test_afterwards_the_group_is_to_the_letter_what_it_was(owner: dict[str, tuple[str, str]]) -> None:
    groups = Groups(owner)
    before, live = groups.user_values("clone"), dict(groups.live)
    with durability(groups).relaxed() as changed:
        assert all(groups.live[name] == RELAXED[name] for name in changed)
    assert (groups.values["clone"], groups.live) == (before, live)


@pytest.mark.parametrize(
    ("owner", "changed"),
    list(zip(OWNERS, [[FLUSH, SYNC], [FLUSH, SYNC], [FLUSH, SYNC], [SYNC], [], [SYNC]], strict=True)),
)
def test_what_is_less_durable_already_or_could_not_be_put_back_exactly_is_left_alone(
    owner: dict[str, tuple[str, str]], changed: list[str]
) -> None:
    with durability(Groups(owner)).relaxed() as relaxed:
        assert relaxed == changed


def test_what_a_killed_run_left_is_found_by_looking() -> None:
    groups = Groups({FLUSH: ("1", "immediate")})
    before = groups.user_values("clone")
    groups.set_now("clone", RELAXED)
    durability(groups).put_back()
    assert groups.values["clone"] == before


def test_a_value_that_somebody_else_has_set_is_not_ours_to_put_back() -> None:
    groups = Groups({})
    groups.set_now("clone", {SYNC: "7"})
    durability(groups).put_back()
    assert groups.values["clone"][SYNC] == ("7", "immediate")


def test_it_is_put_back_when_catching_up_fails() -> None:
    groups = Groups({})
    with pytest.raises(ActionRequired, match="broken"), durability(groups).relaxed():
        raise ActionRequired("broken")
    assert groups.live == {FLUSH: "1", SYNC: "1"}


def test_when_that_fails_too_both_are_told() -> None:
    class Gone(Groups):
        def reset_now(self, name: str, parameters: list[str]) -> None:
            raise ActionRequired("AWS is away")

    with pytest.raises(BaseExceptionGroup) as caught, durability(Gone({})).relaxed():
        raise TimedOut("too slow")
    assert [str(error) for error in caught.value.exceptions] == ["too slow.", "AWS is away."]


def test_what_the_owner_wants_less_durable_is_nothing_left_behind() -> None:
    session = server(**RELAXED)
    assert less_durable(session, {FLUSH: ("2", "immediate")}) == ["sync_binlog is 1000, not 1"]
    assert less_durable(session, {name: (value, "immediate") for name, value in RELAXED.items()}) == []
    assert less_durable(server(**{FLUSH: "1", SYNC: "1"}), {}) == []
    # More durable than the owner's, or otherwise: not what a catch-up leaves.
    assert less_durable(server(**{FLUSH: "1", SYNC: "0"}), {FLUSH: ("2", "immediate")}) == []


@pytest.mark.parametrize(
    ("variables", "safe"),
    [
        ({"relay_log_recovery": "ON", "relay_log_info_repository": "TABLE"}, True),
        ({"relay_log_recovery": "ON"}, True),
        ({"relay_log_recovery": "OFF", "relay_log_info_repository": "TABLE"}, False),
        ({"relay_log_recovery": "ON", "relay_log_info_repository": "FILE"}, False),
        ({"relay_log_recovery": "ON", "replica_parallel_workers": "4"}, False),
        (
            {
                "relay_log_recovery": "ON",
                "replica_parallel_workers": "4",
                "replica_preserve_commit_order": "ON",
            },
            True,
        ),
        (
            {"relay_log_recovery": "ON", "slave_parallel_workers": "8", "slave_preserve_commit_order": "OFF"},
            False,
        ),
    ],
)
def test_it_must_survive_a_crash(variables: dict[str, str], safe: bool) -> None:  # noqa: FBT001 - parametrized
    assert crash_safe(server(**variables)) is safe


def settings(**changes: object) -> SourceSettings:
    return source_settings({"identifier": "orders", "credentials": {"secretId": "orders"}, **changes})


def test_only_where_every_row_is_compared_afterwards() -> None:
    assert settings().relax_above == CatchUpSettings().far_behind == 1024
    assert settings(catchUp={"farBehind": 5}).relax_above == 5
    assert settings(catchUp={"relaxed": False}).relax_above is None
    for mode in ("sample", "counts", "off"):
        assert settings(verify={"level": mode}).relax_above is None
