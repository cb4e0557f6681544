"""The policy document by itself, and its reader: what it must refuse. (A run against it: test_least_privilege.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

from rds_encrypt.journal import KEYS
from tests.engine.iam import MAIN, Ask, Policy, World, asks

RDS = "arn:aws:rds:us-east-1:123456789012"


def call(action: str, service: str = "rds", status: int = 200, **parameters: Any) -> dict[str, Any]:
    return {"service": service, "action": action, "parameters": parameters, "status": status}


def tagged(name: str, **tags: str) -> World:
    """A world with one instance, which has these tags of ours."""
    world = World()
    listed = [{"Key": f"rds-encrypt:{key}", "Value": value} for key, value in tags.items()]
    world.after(call("CreateDBInstance", DBInstanceIdentifier=name, Tags=listed))
    return world


def refused(made: dict[str, Any], world: World) -> list[str]:
    return Policy(MAIN).refused([made], world)


def test_statements_have_names_of_their_own_and_allow() -> None:
    names = [statement["Sid"] for statement in MAIN["Statement"]]
    assert len(set(names)) == len(names)
    assert all(name.isalnum() for name in names)
    assert {statement["Effect"] for statement in MAIN["Statement"]} == {"Allow"}
    assert "*" not in json.dumps([statement["Action"] for statement in MAIN["Statement"]])


def test_conditions_speak_of_tags_that_exist() -> None:
    named = {
        key.partition("/")[2]
        for statement in MAIN["Statement"]
        for keys in statement.get("Condition", {}).values()
        for key in keys
        if "Tag/" in key
    }
    assert named <= set(KEYS)


def test_a_call_that_nobody_has_thought_of_is_an_error() -> None:
    with pytest.raises(LookupError, match="rds:PromoteReadReplica is new"):
        asks(call("PromoteReadReplica", DBInstanceIdentifier="orders"), World())


@pytest.mark.parametrize("action", ["CreateDBInstance", "RestoreDBInstanceFromDBSnapshot"])
def test_a_call_that_the_policy_does_not_list_is_refused(action: str) -> None:
    world = tagged("orders", role="source", migration="db-1")
    assert refused(call(action, DBInstanceIdentifier="orders"), world)


def test_an_instance_that_is_not_ours_may_not_be_changed() -> None:
    made = call("ModifyDBInstance", DBInstanceIdentifier="billing", NewDBInstanceIdentifier="gone")
    assert refused(made, tagged("billing"))
    assert not refused(made, tagged("billing", role="source", migration="db-1"))


def test_neither_the_source_nor_production_may_be_deleted() -> None:
    made = call("DeleteDBInstance", DBInstanceIdentifier="orders", SkipFinalSnapshot=True)
    assert refused(made, tagged("orders", role="source", migration="db-1"))
    assert refused(
        made, tagged("orders", role="encrypted", migration="db-1", **{"cutover-began": "2026-01-01"})
    )
    assert refused(made, tagged("orders"))
    assert not refused(made, tagged("orders", role="encrypted", migration="db-1"))


def test_a_rename_takes_the_tags_along() -> None:
    world = tagged("orders", role="source", migration="db-1")
    world.after(call("ModifyDBInstance", DBInstanceIdentifier="orders", NewDBInstanceIdentifier="orders-old"))
    assert world.tags(f"{RDS}:db:orders") == {}
    assert world.tags(f"{RDS}:db:orders-old")["rds-encrypt:role"] == "source"


def test_only_tags_of_ours_may_be_written_to_an_instance_of_the_owner() -> None:
    def tag(key: str) -> dict[str, Any]:
        return call(
            "AddTagsToResource", ResourceName=f"{RDS}:db:orders", Tags=[{"Key": key, "Value": "something"}]
        )

    assert not refused(tag("rds-encrypt:owner"), World())
    assert refused(tag("team"), World())


def test_nothing_is_made_that_does_not_say_whose_it_is() -> None:
    made = call("CreateDBSnapshot", DBInstanceIdentifier="orders", DBSnapshotIdentifier="orders-encrypted")
    assert refused(made, World())


def test_the_key_is_for_rds_only() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    assert not Policy(MAIN).allows(Ask("kms:CreateGrant", key))
    assert not Policy(MAIN).allows(Ask("kms:Decrypt", key))


def test_what_no_call_needs_is_told() -> None:
    policy = Policy(MAIN)
    before = policy.unused
    assert not policy.refused([call("DescribeDBInstances")], World())
    assert before - policy.unused == {("Look", "rds:DescribeDBInstances")}
