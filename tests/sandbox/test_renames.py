"""A pair of renames on real servers: few calls, no time lost, and none of RDS's passing refusals is an error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from dev.sandbox import Sandbox
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instances import Instances
from tests.conformance.account import Account

DEADLINE = 60.0


@pytest.fixture(scope="module")
def pair(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """Two instances whose names are to be swapped, by what they are called at first; each has a group to be given."""
    account = Account.of(sandbox)
    group = account.group("renames")
    made = {name: account.begin(name, BackupRetentionPeriod=0) for name in ("renamed", "renamed-encrypted")}
    for resource_id in made.values():
        account.available(resource_id)
    yield made
    for name in ("renamed-old", "renamed"):
        account.delete(name)
    for resource_id in made.values():
        account.gone(resource_id)
    account.rds.delete_db_parameter_group(DBParameterGroupName=group)


def modifications(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [call for call in sandbox.calls() if call["action"] == "ModifyDBInstance"]


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
    sandbox.faults.duration("settle", 6)  # a busy machine sees `available` seconds late
    resource_id = Account.of(sandbox).begin("renamed-settling", BackupRetentionPeriod=0)
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
    account = Account.of(sandbox)
    resource_id = account.begin("renamed-full", BackupRetentionPeriod=0, DeletionProtection=True)
    instances.wait_until_available(resource_id, deadline=DEADLINE)
    sandbox.faults.set_status(resource_id, "storage-full")
    instances.delete(resource_id, final_snapshot=None, deadline=DEADLINE)
    account.gone(resource_id)
