"""The rule inside a security group: shared by the sources that need it, and gone with the last."""

from __future__ import annotations

from typing import Any, cast

import botocore.exceptions
import pytest

from rds_encrypt import group_rule
from rds_encrypt.aws.network import SAME
from rds_encrypt.journal import Tag
from tests.unit.fakes import FakeAws, instance

GROUP = "sg-1"
ORDERS, INVOICES = "db-ORDERS", "db-INVOICES"
INSIDE = {
    "GroupId": GROUP,
    "IpProtocol": "tcp",
    "FromPort": 3306,
    "ToPort": 3306,
    "ReferencedGroupInfo": {"GroupId": GROUP},
}
THEIRS = {**INSIDE, "SecurityGroupRuleId": "sgr-theirs"}


class Account(FakeAws):
    """Two sources in a group; its rules change as AWS changes them."""

    def __init__(self, *rules: dict[str, Any]) -> None:
        super().__init__(instance("orders"), instance("invoices"))
        self.ec2 = cast(Any, self)
        self.rules = list(rules)
        self.meanwhile: list[dict[str, Any]] = []
        cast(Any, self.rds).add_tags_to_resource = self._tag
        cast(Any, self.rds).remove_tags_from_resource = self._untag

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **_filters: Any) -> list[dict[str, Any]]:
        return [{"SecurityGroupRules": [dict(rule) for rule in self.rules]}]

    def authorize_security_group_ingress(self, TagSpecifications: list[dict[str, Any]], **_rest: Any) -> None:  # noqa: N803 - AWS's name
        self.rules += self.meanwhile
        if self.rules:
            raise botocore.exceptions.ClientError({"Error": {"Code": SAME, "Message": "exists"}}, "Authorize")
        self.rules.append({**INSIDE, "SecurityGroupRuleId": "sgr-ours", "Tags": TagSpecifications[0]["Tags"]})

    def revoke_security_group_ingress(self, SecurityGroupRuleIds: list[str], **_rest: Any) -> None:  # noqa: N803 - AWS's name
        self.rules = [rule for rule in self.rules if rule["SecurityGroupRuleId"] not in SecurityGroupRuleIds]

    def _tag(self, ResourceName: str, Tags: list[dict[str, str]]) -> None:  # noqa: N803 - AWS's names
        self._described(ResourceName)["TagList"] = Tags

    def _untag(self, ResourceName: str, **_rest: Any) -> None:  # noqa: N803 - AWS's name
        self._described(ResourceName)["TagList"] = []

    def _described(self, arn: str) -> dict[str, Any]:
        instances = cast(Any, self.rds)._instances
        found: dict[str, Any] = next(entry for entry in instances if entry["DBInstanceArn"] == arn)
        return found

    @property
    def ids(self) -> list[str]:
        return [rule["SecurityGroupRuleId"] for rule in self.rules]


def test_the_last_source_that_needs_it_removes_it() -> None:
    account = Account()
    assert [group_rule.allow(account, source, [GROUP], 3306) for source in (ORDERS, INVOICES)] == [GROUP] * 2
    assert account.ids == ["sgr-ours"]
    group_rule.release(account, ORDERS, GROUP)
    assert account.ids == ["sgr-ours"]
    group_rule.release(account, INVOICES, GROUP)
    assert account.ids == []


def test_two_that_add_it_at_the_same_moment_both_have_it() -> None:
    account = Account()
    ours = {**INSIDE, "SecurityGroupRuleId": "sgr-other", "Tags": [{"Key": Tag.MIGRATION, "Value": INVOICES}]}
    account.meanwhile.append(ours)
    assert group_rule.allow(account, ORDERS, [GROUP], 3306) == GROUP
    assert account.ids == ["sgr-other"]


@pytest.mark.parametrize("source", [ORDERS, INVOICES])
def test_a_rule_of_the_owners_is_used_and_left_alone(source: str) -> None:
    account = Account(THEIRS)
    assert group_rule.allow(account, source, [GROUP], 3306) == ""
    group_rule.release(account, source, GROUP)
    assert account.ids == ["sgr-theirs"]
