"""A pair of renames on real servers: few calls, no time lost, and none of RDS's passing refusals is an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from dev.sandbox import Sandbox
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instances import Instances
from tests.sandbox.rds_support import available, begin, gone

DEADLINE = 60.0


@pytest.fixture(scope="module")
def pair(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """Two instances whose names are to be swapped, by what they are called at first; each has a group to be given."""
    rds = sandbox.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="renames", DBParameterGroupFamily="mysql8.0", Description="given by a rename"
    )
    made = {name: begin(sandbox, name, BackupRetentionPeriod=0) for name in ("renamed", "renamed-encrypted")}
    for resource_id in made.values():
        available(sandbox, resource_id)
    yield made
    for name in ("renamed-old", "renamed"):
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    for resource_id in made.values():
        gone(sandbox, resource_id)
    rds.delete_db_parameter_group(DBParameterGroupName="renames")


def modifications(sandbox: Sandbox) -> list[dict[str, Any]]:
    lines = (sandbox.directory / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    return [call for line in lines if (call := json.loads(line))["action"] == "ModifyDBInstance"]


def moment(call: dict[str, Any]) -> float:
    return datetime.fromisoformat(call["time"]).timestamp()


def test_a_pair_of_renames(sandbox: Sandbox, environment: dict[str, str], pair: dict[str, str]) -> None:
    """The second waits for the name by descriptions; RDS refuses changes of it for a moment before, and a reboot after."""
    primary, candidate = pair["renamed"], pair["renamed-encrypted"]
    instances, earlier = Instances(Aws(AwsSettings(region="us-east-1"))), len(modifications(sandbox))
    sandbox.faults.duration("away", 1.5)
    sandbox.faults.refuse(
        "InvalidDBInstanceState",
        "Database instance is not in available state.",
        action="ModifyDBInstance",
        instance=candidate,
    )
    instances.ask_rename(primary, "renamed-old", parameter_group="renames", deadline=DEADLINE)
    instances.ask_rename(candidate, "renamed", parameter_group="renames", deadline=DEADLINE)
    instances.await_rename(primary, "renamed-old", parameter_group="renames", deadline=DEADLINE)
    instances.await_rename(candidate, "renamed", parameter_group="renames", deadline=DEADLINE)

    calls = modifications(sandbox)[earlier:]
    accepted = [call for call in calls if call["error_code"] is None]
    assert [call["parameters"]["NewDBInstanceIdentifier"] for call in accepted] == ["renamed-old", "renamed"]
    assert len(calls) <= 5, "AWS throttles those who ask for what it cannot do yet"
    assert moment(accepted[1]) - moment(accepted[0]) < 5


def test_a_change_just_after_the_first_available(
    sandbox: Sandbox, environment: dict[str, str], pair: dict[str, str]
) -> None:
    """As RDS does for a while after a restore: the status is `available`, and changes are refused."""
    instances = Instances(Aws(AwsSettings(region="us-east-1")))
    sandbox.faults.duration("settle", 2)
    resource_id = begin(sandbox, "renamed-settling", BackupRetentionPeriod=0)
    instances.wait_until_available(resource_id, deadline=DEADLINE)
    earlier = len(modifications(sandbox))
    instances.modify(resource_id, CopyTagsToSnapshot=True)
    refused = [call["error_code"] for call in modifications(sandbox)[earlier:]]
    assert refused[0] == "InvalidDBInstanceState"
    assert refused[-1] is None
    assert len(refused) <= 5
    instances.delete(resource_id, final_snapshot=None, deadline=DEADLINE)


def test_a_full_instance_loses_its_protection_and_is_deleted(
    sandbox: Sandbox, environment: dict[str, str], pair: dict[str, str]
) -> None:
    """Nothing that production does not need may keep a stack from being cleaned up."""
    instances = Instances(Aws(AwsSettings(region="us-east-1")))
    resource_id = begin(sandbox, "renamed-full", BackupRetentionPeriod=0, DeletionProtection=True)
    instances.wait_until_available(resource_id, deadline=DEADLINE)
    sandbox.faults.set_status(resource_id, "storage-full")
    instances.delete(resource_id, final_snapshot=None, deadline=DEADLINE)
    gone(sandbox, resource_id)
