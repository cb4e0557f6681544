"""Security groups: whether members of a group can reach each other's MySQL, and the rule that allows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import botocore.exceptions

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import code_of, sorted_errors

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SecurityGroupRuleTypeDef

__all__ = ["SAME", "Rules", "allow_inside", "revoke", "rules_of"]

SAME = "InvalidPermission.Duplicate"
"""AWS's error code for a rule that the group already has."""
_GONE = {"InvalidSecurityGroupRuleId.NotFound", "InvalidPermission.NotFound", "InvalidGroup.NotFound"}


@dataclass(frozen=True)
class Rules:
    """The ingress rules of some security groups at one moment."""

    rules: Sequence[SecurityGroupRuleTypeDef]

    def allowed_inside(self, groups: Iterable[str], port: int) -> bool:
        """Return whether a rule of one of the groups lets its own members reach TCP ``port``."""
        return any(
            rule["GroupId"] == group and _covers(rule, group, port) for group in groups for rule in self.rules
        )

    def tagged(self, key: str) -> dict[str, str]:
        """Return the group of each rule that has a tag with this key, by the rule's id."""
        return {
            rule["SecurityGroupRuleId"]: rule["GroupId"]
            for rule in self.rules
            if any(tag.get("Key") == key for tag in rule.get("Tags", []))
        }


def rules_of(aws: Aws, groups: Sequence[str]) -> Rules:
    """Read the ingress rules of some security groups."""
    with sorted_errors(f"security groups {', '.join(groups)}"):
        pages = aws.ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": list(groups)}]
        )
        return Rules(
            [rule for page in pages for rule in page["SecurityGroupRules"] if not rule.get("IsEgress")]
        )


def allow_inside(aws: Aws, group: str, port: int, tags: dict[str, str]) -> None:
    """Let the members of the group reach each other's TCP ``port``, unless another run has just done so."""
    with sorted_errors(f"security group {group}"):
        try:
            aws.ec2.authorize_security_group_ingress(
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
        except botocore.exceptions.ClientError as error:
            if code_of(error) != SAME:
                raise


def revoke(aws: Aws, group: str, rule: str) -> None:
    """Remove a rule, if it is still there."""
    with sorted_errors(f"security group {group}"):
        try:
            aws.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
        except botocore.exceptions.ClientError as error:
            if code_of(error) not in _GONE:
                raise


def _covers(rule: SecurityGroupRuleTypeDef, group: str, port: int) -> bool:
    if rule.get("ReferencedGroupInfo", {}).get("GroupId") != group:
        return False
    if rule.get("IpProtocol") == "-1":
        return True
    return rule.get("IpProtocol") in {"tcp", "6"} and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 0)
