"""The policy for rehearsals: it proves that a rehearsal changes nothing but what has `-rehearsal` in its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from rds_encrypt.rehearse.copied import TAG
from tests.engine.iam import MAIN, REHEARSAL, Policy, World

RDS = "arn:aws:rds:us-east-1:123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
ROLE = "arn:aws:iam::123456789012:role/monitoring"
GROUP = "sg-0123456789abcdef0"

REHEARSED = re.compile(r"arn:aws:rds:\*:\*:[a-z]+:\*-rehearsal(-\*)?")
"""Resources of a rehearsal, such as db:*-rehearsal and snapshot:*-rehearsal-*."""
READ = {
    "rds:CreateDBInstance": {"og", "subgrp"},
    "rds:CreateDBInstanceReadReplica": {"og", "subgrp"},
    "rds:RestoreDBInstanceFromDBSnapshot": {"og", "subgrp", "snapshot"},
}
"""What creating an instance reads but does not change, by the resource types of the Service Authorization Reference."""


def several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {statement["Sid"]: statement for statement in document["Statement"]}


def reads(action: str) -> bool:
    return action.partition(":")[2].startswith(("Describe", "List", "Get"))


CHANGING = {
    name: statement
    for name, statement in statements(REHEARSAL).items()
    if not all(map(reads, several(statement["Action"])))
}
OF_RDS = {name for name, statement in CHANGING.items() if "rds:" in str(statement["Action"])}
"""Statements that change something, and those of them that are about RDS."""


def call(action: str, service: str = "rds", **parameters: Any) -> dict[str, Any]:
    return {"service": service, "action": action, "parameters": parameters, "status": 200}


def refused(made: dict[str, Any], world: World | None = None) -> list[str]:
    return Policy(REHEARSAL).refused([made], world or World())


def changes(name: str) -> list[dict[str, Any]]:
    """Every change of an instance of this name, its snapshots and its parameter group, with any tags."""
    tags = [{"Key": "rds-encrypt:migration", "Value": "db-1"}]
    instance = {"DBInstanceIdentifier": name}
    group = {"DBParameterGroupName": f"{name}-encrypted"}
    snapshot = {"DBSnapshotIdentifier": f"{name}-encrypted"}
    kept = {"DBSubnetGroupName": "default", "OptionGroupName": "default:mysql-8-0"}
    tagged = [f"{RDS}:db:{name}", f"{RDS}:snapshot:{name}-encrypted", f"{RDS}:pg:{name}-encrypted"]
    return [
        call("CreateDBInstance", **instance, **group, **kept),
        call("RestoreDBInstanceFromDBSnapshot", **instance, **group, **kept, DBSnapshotIdentifier="any"),
        call(
            "CreateDBInstanceReadReplica",
            DBInstanceIdentifier=f"{name}-not-encrypted",
            SourceDBInstanceIdentifier=name,
            Tags=tags,
            MonitoringRoleArn=ROLE,
        ),
        call("ModifyDBInstance", **instance, ApplyImmediately=True),
        call("ModifyDBInstance", **instance, **group),
        call("ModifyDBInstance", **instance, NewDBInstanceIdentifier=f"{name}-old"),
        call("RebootDBInstance", **instance),
        call("StopDBInstance", **instance),
        call("StartDBInstance", **instance),
        call("DeleteDBInstance", **instance, SkipFinalSnapshot=True),
        call("DeleteDBInstance", **instance, FinalDBSnapshotIdentifier=f"{name}-old-final"),
        call("CreateDBSnapshot", **instance, **snapshot, Tags=tags),
        call(
            "CopyDBSnapshot",
            SourceDBSnapshotIdentifier=f"{RDS}:snapshot:{name}-not-encrypted",
            TargetDBSnapshotIdentifier=f"{name}-encrypted",
            KmsKeyId=KEY,
            Tags=tags,
        ),
        call("DeleteDBSnapshot", **snapshot),
        call("CreateDBParameterGroup", **group, Tags=tags),
        call("ModifyDBParameterGroup", **group),
        call("ResetDBParameterGroup", **group),
        call("DeleteDBParameterGroup", **group),
        *(call("AddTagsToResource", ResourceName=arn, Tags=tags) for arn in tagged),
        *(call("RemoveTagsFromResource", ResourceName=arn, TagKeys=["owner"]) for arn in tagged),
    ]


def everything_tagged(name: str) -> World:
    """A world in which an instance and its snapshot have the tags with which the main policy lets both be changed."""
    world = World()
    tags = [
        {"Key": "rds-encrypt:migration", "Value": "db-1"},
        {"Key": "rds-encrypt:role", "Value": "encrypted"},
    ]
    world.after(call("CreateDBInstance", DBInstanceIdentifier=name, Tags=tags))
    world.after(call("CreateDBSnapshot", DBSnapshotIdentifier=f"{name}-encrypted", Tags=tags))
    return world


def ids(name: str) -> list[str]:
    return [f"{number} {made['action']}" for number, made in enumerate(changes(name))]


@pytest.mark.parametrize("number", range(len(changes("x"))), ids=ids("x"))
@pytest.mark.parametrize("name", ["orders", "orders-rehearsals", "rehearsal-orders", "rehearsal"])
def test_a_change_outside_a_rehearsal_is_refused(name: str, number: int) -> None:
    assert refused(changes(name)[number], everything_tagged(name))


@pytest.mark.parametrize("number", range(len(changes("x"))), ids=ids("x"))
@pytest.mark.parametrize("name", ["orders-rehearsal", "orders-rehearsal-old", "orders-rehearsal-r1"])
def test_the_same_change_in_a_rehearsal_is_allowed(name: str, number: int) -> None:
    assert refused(changes(name)[number]) == []


@pytest.mark.parametrize("name", sorted(OF_RDS))
def test_a_statement_that_changes_something_names_only_resources_of_a_rehearsal(name: str) -> None:
    statement = CHANGING[name]
    for resource in several(statement["Resource"]):
        kind = resource.split(":")[5]
        if resource.endswith(":pg:default.*"):
            # Instances of a rehearsal may use one; nobody can change it.
            assert not any("ParameterGroup" in action for action in several(statement["Action"]))
        elif not REHEARSED.fullmatch(resource):
            assert resource == f"arn:aws:rds:*:*:{kind}:*"
            making = several(statement["Action"])
            assert set(making) <= set(READ), "only an instance is made from what others own"
            assert any(kind in READ[action] for action in making)


def test_other_services_change_nothing_of_the_owner() -> None:
    """RDS may use the key, and monitor; only a security group that the rehearsal has made changes."""
    as_in_main = {"LetRdsUseTheKey", "LetRdsMonitorThem", "TagTheRule"}
    of_group = {
        "MakeItsSecurityGroup",
        "InTheVpc",
        "TagItsSecurityGroup",
        "ChangeAndDeleteItsSecurityGroup",
        "ByRulesOfItsOwn",
    }
    assert set(CHANGING) - OF_RDS == as_in_main | of_group
    for name in as_in_main:
        assert CHANGING[name] == statements(MAIN)[name]


def test_what_only_reads_is_that_of_the_main_policy() -> None:
    for name, statement in statements(REHEARSAL).items():
        if name == "LookForItsSecurityGroup":
            assert statement["Action"] == "ec2:DescribeSecurityGroups"
        elif name not in CHANGING:
            assert statement == statements(MAIN)[name]


def test_statements_have_names_of_their_own_and_allow() -> None:
    assert len(statements(REHEARSAL)) == len(REHEARSAL["Statement"])
    assert {statement["Effect"] for statement in REHEARSAL["Statement"]} == {"Allow"}
    assert "*" not in "".join(
        action for statement in REHEARSAL["Statement"] for action in several(statement["Action"])
    )


def test_a_rehearsal_begins_with_any_snapshot_and_ends_with_a_name_of_its_own() -> None:
    made = {
        "DBParameterGroupName": "orders-rehearsal",
        "DBSubnetGroupName": "orders",
        "OptionGroupName": "orders",
    }
    for snapshot in ("rds:orders-2026-12-03-03-07", "before-the-release"):
        restore = {"DBSnapshotIdentifier": snapshot, **made}
        name = "RestoreDBInstanceFromDBSnapshot"
        assert refused(call(name, DBInstanceIdentifier="orders-rehearsal", **restore)) == []
        assert refused(call(name, DBInstanceIdentifier="orders-2", **restore))
        default = {**restore, "DBParameterGroupName": "default.mysql8.0"}
        assert refused(call(name, DBInstanceIdentifier="orders-rehearsal", **default)) == []
        assert refused(
            call(
                name, DBInstanceIdentifier="orders-rehearsal", **{**restore, "DBParameterGroupName": "orders"}
            )
        )
        assert refused(call("DeleteDBSnapshot", DBSnapshotIdentifier=snapshot))
        assert refused(
            call(
                "CopyDBSnapshot",
                SourceDBSnapshotIdentifier=snapshot,
                TargetDBSnapshotIdentifier="orders-rehearsal-encrypted",
            )
        )


def test_no_proxy_and_no_record_moves() -> None:
    assert refused(call("RegisterDBProxyTargets", DBInstanceIdentifiers=["orders-rehearsal"]))
    assert refused(call("DeregisterDBProxyTargets", DBInstanceIdentifiers=["orders-rehearsal"]))
    assert refused(call("POST /2013-04-01/hostedzone/Z1/rrset", service="route53"))
    assert not refused(call("GET /2013-04-01/hostedzone/Z1/rrset", service="route53"))


def test_a_security_group_changes_only_if_the_rehearsal_has_made_it() -> None:
    changing = [
        call(
            "AuthorizeSecurityGroupIngress",
            service="ec2",
            GroupId=GROUP,
            **{"TagSpecification.1.ResourceType": "security-group-rule"},
        ),
        call(
            "RevokeSecurityGroupIngress", service="ec2", GroupId=GROUP, **{"SecurityGroupRuleId.1": "sgr-1"}
        ),
        call("DeleteSecurityGroup", service="ec2", GroupId=GROUP),
    ]
    group = {"GroupName": "orders-rehearsal", "VpcId": "vpc-1"}
    tag = {"TagSpecification.1.Tag.1.Key": TAG, "TagSpecification.1.Tag.1.Value": "orders"}
    make = call("CreateSecurityGroup", service="ec2", **group, **tag)
    assert refused(make) == []
    assert refused(call("CreateSecurityGroup", service="ec2", **group))
    for change in changing:
        made = World()
        made.after(make)
        assert refused(change)
        assert refused(change, made) == []
