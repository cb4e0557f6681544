"""Security groups: whether the members of a group may reach each other's MySQL, and the rule that lets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.exceptions

from controlplane.aws import Aws, code_of, sorted_errors

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SecurityGroupRuleTypeDef

__all__ = ["allow_inside", "allowed_inside", "revoke", "tagged"]

_GONE = {"InvalidSecurityGroupRuleId.NotFound", "InvalidPermission.NotFound", "InvalidGroup.NotFound"}


def allowed_inside(aws: Aws, group: str, port: int) -> bool:
    """Whether a rule of the group lets its own members reach TCP ``port``."""
    return any(_covers(rule, group, port) for rule in _rules(aws, group))


def tagged(aws: Aws, group: str, key: str, value: str) -> str | None:
    """Return the id of the group's rule that has this tag, if there is one."""
    for rule in _rules(aws, group):
        if {"Key": key, "Value": value} in rule.get("Tags", []):
            return rule["SecurityGroupRuleId"]
    return None


def allow_inside(aws: Aws, group: str, port: int, tags: dict[str, str]) -> str:
    """Let the members of the group reach each other's TCP ``port``, and return the new rule's id."""
    with sorted_errors(f"security group {group}"):
        answer = aws.ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": port,
                    "ToPort": port,
                    "UserIdGroupPairs": [
                        {"GroupId": group, "Description": "rds-encrypt: replication inside the group"}
                    ],
                }
            ],
            TagSpecifications=[
                {
                    "ResourceType": "security-group-rule",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
    return answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]


def revoke(aws: Aws, group: str, rule: str) -> None:
    """Remove a rule, if it is still there."""
    with sorted_errors(f"security group {group}"):
        try:
            aws.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
        except botocore.exceptions.ClientError as error:
            if code_of(error) not in _GONE:
                raise


def _rules(aws: Aws, group: str) -> list[SecurityGroupRuleTypeDef]:
    with sorted_errors(f"security group {group}"):
        pages = aws.ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group]}]
        )
        return [rule for page in pages for rule in page["SecurityGroupRules"] if not rule.get("IsEgress")]


def _covers(rule: SecurityGroupRuleTypeDef, group: str, port: int) -> bool:
    if rule.get("ReferencedGroupInfo", {}).get("GroupId") != group:
        return False
    if rule.get("IpProtocol") == "-1":
        return True
    return rule.get("IpProtocol") in {"tcp", "6"} and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 0)
