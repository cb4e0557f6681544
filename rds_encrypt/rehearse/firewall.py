"""A security group of the copy's own, with the rules of the source's: the migration adds a rule, and those of production stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import code_of, sorted_errors
from rds_encrypt.aws.network import SAME, rules_of
from rds_encrypt.core.waiting import Wait, until

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

__all__ = ["find_group", "make_group", "remove_group"]

_IN_USE = "DependencyViolation"
_DETACHED = 600.0
"""The longest wait for AWS to detach the group from the interfaces of deleted instances."""


def find_group(aws: Aws, name: str, tags: Mapping[str, str] | None = None) -> str | None:
    """Return the id of the copy's security group, if there is one with these tags."""
    filters: list[FilterTypeDef] = [
        {"Name": f"tag:{key}", "Values": [value]} for key, value in (tags or {}).items()
    ]
    with sorted_errors(f"security group {name}"):
        response = aws.ec2.describe_security_groups(
            Filters=[{"Name": "group-name", "Values": [name]}, *filters]
        )
    return response["SecurityGroups"][0]["GroupId"] if response["SecurityGroups"] else None


def make_group(aws: Aws, name: str, vpc: str, like: Sequence[str], tags: Mapping[str, str]) -> str:
    """Make a security group with the ingress rules of some others, and return its id; add the rules that a killed run left out."""
    group = find_group(aws, name)
    with sorted_errors(f"security group {name}"):
        if group is None:
            group = aws.ec2.create_security_group(
                GroupName=name,
                Description=f"Like {', '.join(like)}, for a rehearsal",
                VpcId=vpc,
                TagSpecifications=[
                    {
                        "ResourceType": "security-group",
                        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                    }
                ],
            )["GroupId"]
        for rule in rules_of(aws, like).rules:
            _allow(aws, group, _permission(rule))
    return group


def remove_group(aws: Aws, name: str, tags: Mapping[str, str]) -> bool:
    """Delete the copy's security group, once AWS has detached it from deleted instances; return whether there was one with these tags."""
    group = find_group(aws, name, tags)
    if group is None:
        return False

    def delete() -> bool:
        with sorted_errors(f"security group {name}"):
            try:
                aws.ec2.delete_security_group(GroupId=group)
            except botocore.exceptions.ClientError as error:
                if code_of(error) == _IN_USE:
                    return False
                if code_of(error) != "InvalidGroup.NotFound":
                    raise
        return True

    wait = Wait(f"AWS to detach the security group {name}", deadline=_DETACHED)
    until(wait, delete, done=bool, describe=lambda _gone: "still in use")
    return True


def _allow(aws: Aws, group: str, permission: Any) -> None:
    try:
        aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    except botocore.exceptions.ClientError as error:
        if code_of(error) != SAME:
            raise


def _permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule as AuthorizeSecurityGroupIngress takes it; its members of the source's group are clients of the copy, too."""
    permission: dict[str, Any] = {"IpProtocol": rule["IpProtocol"]}
    permission |= {key: rule[key] for key in ("FromPort", "ToPort") if key in rule}
    if "CidrIpv4" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["CidrIpv4"]}]
    if "CidrIpv6" in rule:
        permission["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"]}]
    if "PrefixListId" in rule:
        permission["PrefixListIds"] = [{"PrefixListId": rule["PrefixListId"]}]
    if "ReferencedGroupInfo" in rule:
        permission["UserIdGroupPairs"] = [{"GroupId": rule["ReferencedGroupInfo"]["GroupId"]}]
    return permission
