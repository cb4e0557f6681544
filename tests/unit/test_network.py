"""Security groups: which rules let the members of a group reach each other."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.network import _covers


@pytest.mark.parametrize(
    ("rule", "covers"),
    [
        ({"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306}, True),
        ({"IpProtocol": "6", "FromPort": 3000, "ToPort": 4000}, True),
        ({"IpProtocol": "-1", "FromPort": -1, "ToPort": -1}, True),
        ({"IpProtocol": "udp", "FromPort": 3306, "ToPort": 3306}, False),
        ({"IpProtocol": "tcp", "FromPort": 3307, "ToPort": 3400}, False),
        ({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}, False),
    ],
)
def test_a_rule_covers_the_port_inside_the_group(rule: dict[str, Any], *, covers: bool) -> None:
    inside = {**rule, "ReferencedGroupInfo": {"GroupId": "sg-1"}}
    elsewhere = {**rule, "ReferencedGroupInfo": {"GroupId": "sg-2"}}
    anywhere = {**rule, "CidrIpv4": "10.0.0.0/8"}
    assert _covers(inside, "sg-1", 3306) is covers  # type: ignore[arg-type]
    assert not _covers(elsewhere, "sg-1", 3306)  # type: ignore[arg-type]
    assert not _covers(anywhere, "sg-1", 3306)  # type: ignore[arg-type]
