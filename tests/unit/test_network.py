"""Security groups: which rules let the members of a group reach each other."""

from __future__ import annotations

from typing import Any

import pytest

from rds_encrypt.aws.network import Rules, _covers


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


def test_a_rule_of_one_group_opens_no_other() -> None:
    """Even looked at together, the rules of one group say nothing about who reaches the members of another."""
    opens = {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306}
    elsewhere: Any = {**opens, "GroupId": "sg-1", "ReferencedGroupInfo": {"GroupId": "sg-2"}}
    inside: Any = {**opens, "GroupId": "sg-2", "ReferencedGroupInfo": {"GroupId": "sg-2"}}
    assert not Rules([elsewhere]).allowed_inside(["sg-1", "sg-2"], 3306)
    assert Rules([elsewhere, inside]).allowed_inside(["sg-1", "sg-2"], 3306)
    assert not Rules([elsewhere, inside]).allowed_inside(["sg-1"], 3306)


def test_a_rule_is_found_by_the_key_of_its_tag_with_its_group() -> None:
    tag = {"Key": "rds-encrypt:migration", "Value": "db-1"}
    ours: Any = {"GroupId": "sg-2", "SecurityGroupRuleId": "sgr-2", "Tags": [tag]}
    other: Any = {"GroupId": "sg-1", "SecurityGroupRuleId": "sgr-1", "Tags": [{**tag, "Key": "team"}]}
    assert Rules([other, ours]).tagged(tag["Key"]) == {"sgr-2": "sg-2"}
