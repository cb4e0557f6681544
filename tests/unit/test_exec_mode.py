"""Replication stops at a difference while the encrypted instance follows; opened, it has its owner's mode."""

from __future__ import annotations

from typing import cast

import pytest

from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.exec_mode import put_back, strict
from tests.unit.test_parallel_appliers import Groups, Values

NAME = "slave_exec_mode"


@pytest.mark.parametrize(
    "owner", [{}, {NAME: ("IDEMPOTENT", "immediate")}, {NAME: ("IDEMPOTENT", "pending-reboot")}]
)
def test_what_is_pinned_while_it_follows_is_the_owner_s_again_once_it_is_open(owner: Values) -> None:
    groups = Groups(owner)
    groups.values["clone"] |= strict(NAME)
    assert groups.values["clone"][NAME] == ("STRICT", "immediate")
    put_back(cast(ParameterGroups, groups), "clone", "owner")
    assert groups.values["clone"] == owner
    sent = list(groups.sent)
    put_back(cast(ParameterGroups, groups), "clone", "owner")
    assert groups.sent == sent


def test_an_owner_s_own_strictness_stays() -> None:
    groups = Groups({NAME: ("STRICT", "immediate")})
    put_back(cast(ParameterGroups, groups), "clone", "owner")
    put_back(cast(ParameterGroups, groups), "owner", "owner")
    assert groups.sent == []


def test_a_family_without_the_parameter_gets_none() -> None:
    assert strict(None) == {}
