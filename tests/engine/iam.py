"""AWS calls as IAM sees them: what each recorded call asks to be allowed, and whether one of the two policies allows it.

The actions, resource types and condition keys are those of the "Service Authorization Reference". Tags of resources are
followed from call to call, since a call's record does not contain them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

__all__ = ["MAIN", "REHEARSAL", "Ask", "Policy", "World", "asks", "follow"]

_POLICIES = Path(__file__).resolve().parents[2] / "rds_encrypt" / "policies"
MAIN: Mapping[str, Any] = json.loads((_POLICIES / "iam-policy.json").read_text("utf-8"))
REHEARSAL: Mapping[str, Any] = json.loads((_POLICIES / "iam-policy-rehearsal.json").read_text("utf-8"))
"""The two documents of the program."""

_ACCOUNT = "123456789012"
_PREFIXES = {"monitoring": "cloudwatch"}
"""Services that sign their requests with another name than IAM has for them."""
_REGION = "us-east-1"
_RDS = f"arn:aws:rds:{_REGION}:{_ACCOUNT}"
_EC2 = f"arn:aws:ec2:{_REGION}:{_ACCOUNT}"

Call = Mapping[str, Any]
Context = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Ask:
    """One thing that must be allowed: an action on a resource, and what the conditions may look at."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource} with {dict(self.context)}"


# What a call asks for.


class World:
    """The tags of instances, snapshots and security groups, as the calls so far have left them."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}
        self._new_group: dict[str, str] = {}

    def meet(self, group: str) -> None:
        """Give the tags of a new security group to the next new one that a call names: its id is in an answer only."""
        if self._new_group and group not in self._tags:
            self._tags[group], self._new_group = self._new_group, {}

    def tags(self, arn: str) -> dict[str, str]:
        return self._tags.get(arn, {})

    def after(self, call: Call) -> None:
        """Record what a call that succeeded has changed."""
        given = call["parameters"]
        made = _MADE.get(call["action"])
        if made is not None:
            self._tags[made(given)] = _tags_of(given)
        elif call["action"] == "AddTagsToResource":
            self._tags.setdefault(given["ResourceName"], {}).update(_tags_of(given))
        elif call["action"] == "RemoveTagsFromResource":
            for key in given["TagKeys"]:
                self._tags.get(given["ResourceName"], {}).pop(key, None)
        elif call["action"] == "CreateSecurityGroup":
            self._new_group = _requested_by_ec2(given)
        elif call["action"] == "CreateTags":
            for resource in _listed(given, "ResourceId"):
                keys, values = (_listed(given, "Tag", field) for field in ("Key", "Value"))
                self._tags.setdefault(_security_group(resource), {}).update(zip(keys, values, strict=True))
        elif call["action"] == "ModifyDBInstance" and given.get("NewDBInstanceIdentifier"):
            old, new = (_db(given[name]) for name in ("DBInstanceIdentifier", "NewDBInstanceIdentifier"))
            self._tags[new] = self._tags.pop(old, {})


def asks(call: Call, world: World) -> list[Ask]:
    """Return what must be allowed for a call.

    Raises:
        LookupError: this call is not covered yet.
    """
    service, action, given = call["service"], call["action"], call["parameters"]
    service = _PREFIXES.get(service, service)
    if service == "sts" and action == "GetCallerIdentity":
        return []  # always allowed
    if service == "route53":
        return _route53(action)
    how = _HOW.get(f"{service}:{action}")
    if how is None:
        raise LookupError(f"{service}:{action} is new: say in tests/engine/iam.py what IAM asks for it")
    return list(how(f"{service}:{action}", given, world))


def _db(name: str) -> str:
    return f"{_RDS}:db:{name}"


def _security_group(group: str) -> str:
    return f"{_EC2}:security-group/{group}"


def _listed(given: Mapping[str, Any], name: str, field: str = "") -> list[str]:
    """Return the values of a list, which EC2's protocol writes as ``Name.1`` or ``Name.1.Field``."""
    pattern = re.compile(rf"{name}\.\d+{rf'[.]{field}' if field else ''}")
    return [value for key, value in given.items() if pattern.fullmatch(key)]


def _snapshot(name: str) -> str:
    return name if name.startswith("arn:") else f"{_RDS}:snapshot:{name}"


def _tags_of(given: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in given.get("Tags") or []}


def _requested(given: Mapping[str, Any]) -> dict[str, str | list[str]]:
    tags = _tags_of(given)
    keys = [*tags, *(given.get("TagKeys") or [])]
    context: dict[str, str | list[str]] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**context, "aws:TagKeys": keys} if keys else context


def _present(world: World, arn: str) -> dict[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in world.tags(arn).items()}


_GROUPS = {"DBParameterGroupName": "pg", "OptionGroupName": "og", "DBSubnetGroupName": "subgrp"}
_MADE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "CreateDBInstance": lambda given: _db(given["DBInstanceIdentifier"]),
    "CreateDBInstanceReadReplica": lambda given: _db(given["DBInstanceIdentifier"]),
    "RestoreDBInstanceFromDBSnapshot": lambda given: _db(given["DBInstanceIdentifier"]),
    "CreateDBSnapshot": lambda given: _snapshot(given["DBSnapshotIdentifier"]),
    "CopyDBSnapshot": lambda given: _snapshot(given["TargetDBSnapshotIdentifier"]),
}


def _look(action: str, _given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    yield Ask(action, "*")


def _make(action: str, given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    """Making a thing needs its parts, its tags, a key that RDS may use, and the role of its monitoring."""
    requested = _requested(given)
    made = _MADE[action.partition(":")[2]](given)
    parts = [_db(given[name]) for name in ("SourceDBInstanceIdentifier",) if name in given]
    parts += [
        _snapshot(given[name])
        for name in ("SourceDBSnapshotIdentifier", "DBSnapshotIdentifier")
        if name in given
    ]
    if "DBSnapshotIdentifier" in given and action == "rds:CreateDBSnapshot":
        parts = [_db(given["DBInstanceIdentifier"])]
    groups = [f"{_RDS}:{kind}:{given[name]}" for name, kind in _GROUPS.items() if given.get(name)]
    for resource in (made, *parts, *groups):
        yield Ask(action, resource, requested)
    if requested:
        yield Ask("rds:AddTagsToResource", made, requested)
    if key := given.get("KmsKeyId"):
        via: Context = {
            "kms:GrantIsForAWSResource": "true",
            "kms:ViaService": f"rds.{_REGION}.amazonaws.com",
        }
        yield Ask("kms:DescribeKey", key, via)
        yield Ask("kms:CreateGrant", key, via)
    yield from _pass_role(given)


def _make_group(action: str, given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    group = f"{_RDS}:pg:{given['DBParameterGroupName']}"
    yield Ask(action, group, _requested(given))
    if _requested(given):
        yield Ask("rds:AddTagsToResource", group, _requested(given))


def _change_group(action: str, given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    yield Ask(action, f"{_RDS}:pg:{given['DBParameterGroupName']}")


def _change_instance(action: str, given: Mapping[str, Any], world: World) -> Iterator[Ask]:
    instance = _db(given["DBInstanceIdentifier"])
    yield Ask(action, instance, _present(world, instance))
    if action == "rds:ModifyDBInstance":
        yield from (
            Ask(action, f"{_RDS}:{kind}:{given[name]}") for name, kind in _GROUPS.items() if given.get(name)
        )
    if final := given.get("FinalDBSnapshotIdentifier"):
        yield Ask("rds:CreateDBSnapshot", instance)
        yield Ask("rds:CreateDBSnapshot", _snapshot(final))
    yield from _pass_role(given)


def _pass_role(given: Mapping[str, Any]) -> Iterator[Ask]:
    if role := given.get("MonitoringRoleArn"):
        yield Ask("iam:PassRole", role, {"iam:PassedToService": "monitoring.rds.amazonaws.com"})


def _change_snapshot(action: str, given: Mapping[str, Any], world: World) -> Iterator[Ask]:
    snapshot = _snapshot(given["DBSnapshotIdentifier"])
    yield Ask(action, snapshot, _present(world, snapshot))


def _tag(action: str, given: Mapping[str, Any], world: World) -> Iterator[Ask]:
    arn = given["ResourceName"]
    yield Ask(action, arn, {**_requested(given), **_present(world, arn)})


def _make_security_group(action: str, given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    tags = _requested_by_ec2(given)
    yield Ask(action, _security_group("*"), {f"aws:RequestTag/{key}": value for key, value in tags.items()})
    yield Ask(action, f"{_EC2}:vpc/{given['VpcId']}")
    if tags:
        yield Ask("ec2:CreateTags", _security_group("*"), {"ec2:CreateAction": "CreateSecurityGroup"})


def _requested_by_ec2(given: Mapping[str, Any]) -> dict[str, str]:
    keys, values = (_listed(given, r"TagSpecification\.1\.Tag", field) for field in ("Key", "Value"))
    return dict(zip(keys, values, strict=True))


def _open_group(action: str, given: Mapping[str, Any], world: World) -> Iterator[Ask]:
    """A rule is made, or removed, or its group; EC2 asks once more for the tags that a rule is made with."""
    group = _security_group(given["GroupId"])
    world.meet(group)
    yield Ask(action, group, _present(world, group))
    for rule in _listed(given, "SecurityGroupRuleId"):
        yield Ask(action, f"{_EC2}:security-group-rule/{rule}")
    if any(name.startswith("TagSpecification") for name in given):
        rule = f"{_EC2}:security-group-rule/*"
        yield Ask(action, rule)
        yield Ask("ec2:CreateTags", rule, {"ec2:CreateAction": action.partition(":")[2]})


def _move_proxy(action: str, given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    """This needs the proxy's target group, by an id that the call does not have, and the instance."""
    yield Ask(action, f"{_RDS}:target-group:prx-tg-0123456789abcdef0")
    for name in given["DBInstanceIdentifiers"]:
        yield Ask(action, _db(name))


def _describe_key(action: str, given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    # An alias is resolved first: it is the key that must be allowed.
    yield Ask(action, f"arn:aws:kms:{_REGION}:{_ACCOUNT}:key/{given['KeyId'].rpartition('/')[2]}")


def _read_secret(action: str, given: Mapping[str, Any], _world: World) -> Iterator[Ask]:
    yield Ask(action, f"arn:aws:secretsmanager:{_REGION}:{_ACCOUNT}:secret:{given['SecretId']}")


def _route53(route: str) -> list[Ask]:
    """Route 53 speaks REST: the record holds the route instead of an action."""
    if re.fullmatch(r"GET /2013-04-01/hostedzone/?", route):
        return [Ask("route53:ListHostedZones", "*")]
    zone = re.fullmatch(r"(GET|POST) /2013-04-01/hostedzone/([^/]+)/rrset/?", route)
    if zone is None:
        raise LookupError(f"route53 {route} is new: say in tests/engine/iam.py what IAM asks for it")
    resource = f"arn:aws:route53:::hostedzone/{zone[2]}"
    if zone[1] == "GET":
        return [Ask("route53:ListResourceRecordSets", resource)]
    context: Context = {
        "route53:ChangeResourceRecordSetsRecordTypes": ["CNAME"],
        "route53:ChangeResourceRecordSetsActions": ["UPSERT"],
    }
    return [Ask("route53:ChangeResourceRecordSets", resource, context)]


_HOW: Mapping[str, Callable[[str, Mapping[str, Any], World], Iterator[Ask]]] = {
    **dict.fromkeys(
        (
            "rds:DescribeAccountAttributes",
            "rds:DescribeDBProxies",
            "rds:DescribeDBProxyTargets",
            "rds:DescribeEventSubscriptions",
            "rds:DescribeIntegrations",
            "rds:DescribePendingMaintenanceActions",
            "cloudwatch:DescribeAlarms",
            "dms:DescribeEndpoints",
            "events:ListRules",
            "iam:GetAccountAuthorizationDetails",
            "kms:GetKeyPolicy",
            "rds:DescribeDBInstances",
            "rds:DescribeDBParameterGroups",
            "rds:DescribeDBParameters",
            "rds:DescribeDBSnapshotAttributes",
            "rds:DescribeDBSnapshots",
            "rds:DescribeOptionGroups",
            "rds:ListTagsForResource",
            "cloudwatch:GetMetricStatistics",
            "ec2:DescribeSecurityGroupRules",
            "ec2:DescribeSecurityGroups",
        ),
        _look,
    ),
    **{f"rds:{action}": _make for action in _MADE},
    "rds:CreateDBParameterGroup": _make_group,
    **dict.fromkeys(("rds:RegisterDBProxyTargets", "rds:DeregisterDBProxyTargets"), _move_proxy),
    **dict.fromkeys(
        ("rds:ModifyDBParameterGroup", "rds:ResetDBParameterGroup", "rds:DeleteDBParameterGroup"),
        _change_group,
    ),
    **dict.fromkeys(
        (
            "rds:ModifyDBInstance",
            "rds:RebootDBInstance",
            "rds:StopDBInstance",
            "rds:StartDBInstance",
            "rds:DeleteDBInstance",
        ),
        _change_instance,
    ),
    "rds:DeleteDBSnapshot": _change_snapshot,
    "rds:AddTagsToResource": _tag,
    "rds:RemoveTagsFromResource": _tag,
    "ec2:AuthorizeSecurityGroupIngress": _open_group,
    "ec2:RevokeSecurityGroupIngress": _open_group,
    "ec2:DeleteSecurityGroup": _open_group,
    "ec2:CreateSecurityGroup": _make_security_group,
    "kms:DescribeKey": _describe_key,
    "secretsmanager:GetSecretValue": _read_secret,
}


# Whether a policy allows it.


class Policy:
    """A policy document that only allows; remembers which of its parts were needed."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._statements: list[Mapping[str, Any]] = list(document["Statement"])
        self._used: set[tuple[str, str]] = set()

    def allows(self, ask: Ask) -> bool:
        """Whether any statement allows it; each that does counts as needed."""
        allowed = False
        for statement in self._statements:
            if _matches(ask.action, statement["Action"]) and _allowed(statement, ask):
                self._used.add((statement["Sid"], ask.action))
                allowed = True
        return allowed

    def refused(self, calls: Iterable[Call], world: World) -> list[str]:
        """Follow the calls, and return what the policy does not allow."""
        refusals = []
        for call in calls:
            required = asks(call, world)
            refusals += [f"{call['action']}: {ask}" for ask in required if not self.allows(ask)]
            if call["status"] < 400:
                world.after(call)
        return refusals

    @property
    def unused(self) -> set[tuple[str, str]]:
        """What was never needed, as pairs of a statement and an action."""
        given = {
            (statement["Sid"], action)
            for statement in self._statements
            for action in _several(statement["Action"])
        }
        return given - self._used


def follow(policy: Policy, calls: Iterable[Call], caller: str) -> list[str]:
    """Return what the policy refuses of one caller's calls; those of others are followed too, since they set tags."""
    world, refused = World(), []
    for call in calls:
        if call["caller"] == caller:
            refused += policy.refused([call], world)
        elif call["status"] < 400 and call["service"] in {"rds", "ec2"}:
            world.after(call)
    return refused


def _allowed(statement: Mapping[str, Any], ask: Ask) -> bool:
    # A call that names no resource needs them all.
    resources = _several(statement["Resource"])
    if not any(pattern == "*" or fnmatchcase(ask.resource, pattern) for pattern in resources):
        return False
    return all(
        _holds(operator, ask.context.get(key), _several(expected))
        for operator, keys in statement.get("Condition", {}).items()
        for key, expected in keys.items()
    )


def _holds(operator: str, actual: str | list[str] | None, expected: list[str]) -> bool:
    if operator == "Null":
        return (actual is None) == (expected == ["true"])
    values = _several(actual) if actual is not None else []
    quantifier, _, plain = operator.rpartition(":")
    match: Callable[[str, str], bool] = fnmatchcase if plain == "StringLike" else str.__eq__
    assert plain in {"StringLike", "StringEquals", "Bool"}, f"{operator} is not known here"
    assert quantifier in {"", "ForAllValues"}, f"{operator} is not known here"
    if not quantifier and not values:
        return False
    return all(any(match(value, pattern) for pattern in expected) for value in values)


def _matches(action: str, given: str | list[str]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in _several(given))


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
