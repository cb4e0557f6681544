"""Three sources in one stack: copies made one after the other, one source that fails, and two that go on without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.reached import ALL
from components.workers import worker_of
from tests.engine.checks import differing
from tests.engine.fleet import Fleet, fleet_of
from tests.engine.rows import read_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow]

COUNT = 3
ROWS = 100
MOVES = {"LatestRestorableTime", "ReadReplicaDBInstanceIdentifiers"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(tmp_path_factory.mktemp("fleet"), COUNT) as fleet:
        # As if AWS allowed one: a second copy at the same time would be refused.
        fleet.sandbox.faults.quota("SnapshotCopiesInProgress", 1)
        yield fleet


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> dict[str, dict[str, Any]]:
    return {name: fleet.instance(name) for name in fleet.names}


@pytest.fixture(scope="module")
def broken(fleet: Fleet, before: dict[str, dict[str, Any]]) -> str:
    """The source whose copy fails in the first run: whichever comes first."""
    fleet.sandbox.faults.fail_copy()
    fleet.configure(dict.fromkeys(fleet.names, "replicate"))
    assert not fleet.up().ok
    (name,) = {name for name in fleet.names if f"{name}-encrypted" not in fleet.instances()}
    return name


@pytest.fixture(scope="module")
def others(fleet: Fleet, broken: str) -> list[str]:
    return [name for name in fleet.names if name != broken]


def summary(fleet: Fleet) -> dict[str, Any]:
    totals: dict[str, Any] = fleet.workspace.outputs()[ALL]
    return totals


def test_quotas_are_counted_for_all_together(fleet: Fleet) -> None:
    fleet.configure(dict.fromkeys(fleet.names, "replicate"))
    fleet.sandbox.faults.quota("DBInstances", COUNT + 5)
    try:
        result = fleet.workspace.preview()
    finally:
        fleet.sandbox.faults.quota("DBInstances", 40)

    assert not result.ok
    message = f"the account may have {COUNT + 5} DB instances and has {COUNT}, but {COUNT} sources of this stack need 6 more"
    assert f"{fleet.names[-1]}: {message}" in result.output
    assert f"{fleet.names[0]}: {message}" not in result.output


def test_one_source_that_fails_does_not_stop_the_others(
    fleet: Fleet, broken: str, others: list[str], before: dict[str, dict[str, Any]]
) -> None:
    assert {f"{name}-encrypted" for name in others} <= fleet.instances()
    totals = summary(fleet)
    assert (totals["sources"], totals["as_configured"], totals["behind"]) == (COUNT, COUNT - 1, [broken])
    for name in others:
        assert "found equal" in totals["each"][name]
        assert fleet.sources.rows(f"{name}-encrypted") == ROWS
    # Nothing was done to the source itself, but for what replication needs.
    assert not differing(before[broken], fleet.instance(broken), MOVES)
    assert fleet.sources.rows(broken) == ROWS


def test_no_copy_was_refused_for_another(fleet: Fleet, broken: str) -> None:
    copies = [call for call in fleet.sandbox.calls() if call["action"] == "CopyDBSnapshot"]
    assert len(copies) == COUNT
    assert "SnapshotQuotaExceeded" not in fleet.printed[0].output


def test_each_source_has_a_worker(fleet: Fleet, others: list[str]) -> None:
    workers = fleet.workers()
    assert {name: worker for worker, names in workers.items() for name in names} == {
        name: f"worker-{worker_of(name)}" for name in fleet.names
    }


def test_the_others_cut_over_while_one_is_broken(fleet: Fleet, broken: str, others: list[str]) -> None:
    fleet.configure({name: "replicate" if name == broken else "cutover" for name in fleet.names})

    result = fleet.up()

    assert "this snapshot has failed" in result.output
    for name in others:
        assert fleet.instance(name)["StorageEncrypted"], result.output
        assert fleet.sources.rows(name) == ROWS
        assert f"{name}-old" in fleet.instances()
    # What it has reached stays as it is: a source that is skipped is not given up.
    assert not fleet.instance(broken)["StorageEncrypted"]
    assert f"{broken}-not-encrypted" in fleet.instances()


def test_the_broken_one_is_mended_and_follows(
    fleet: Fleet, broken: str, others: list[str], before: dict[str, dict[str, Any]]
) -> None:
    fleet.sandbox.client("rds").delete_db_snapshot(DBSnapshotIdentifier=f"{broken}-encrypted")
    assert fleet.workspace.refresh("--skip-preview").ok

    fleet.good(fleet.up())

    totals = summary(fleet)
    assert (totals["as_configured"], totals["behind"]) == (COUNT, [])
    assert "found equal" in totals["each"][broken]
    for name in others:
        assert "cut over" in totals["each"][name]
    assert fleet.sources.rows(f"{broken}-encrypted") == ROWS
    assert not differing(before[broken], fleet.instance(broken), MOVES)
    fleet.good(fleet.workspace.preview(expect_no_changes=True))


def test_a_state_from_before_workers_is_taken_over(fleet: Fleet) -> None:
    """What was on the default provider goes on in its worker; nothing is replaced, so no cutover is made again."""
    worker = f"worker-{worker_of(fleet.names[0])}"
    state = fleet.workspace.run("stack", "export", "--stack", fleet.workspace.stack).output
    provider = "pulumi:providers:pulumi-python::"
    fleet.import_state(state.replace(f"{provider}{worker}", f"{provider}default"))
    assert worker not in fleet.workers()

    planned = read_rows(fleet.good(fleet.workspace.preview()).output)
    fleet.good(fleet.up())

    # The engine shows no row for its default provider, which goes.
    assert [f"{row.name} {row.action}" for row in planned if "Stack" not in row.type] == [f"{worker} create"]
    assert worker in fleet.workers()
    assert "default" not in fleet.workers()


def test_one_source_is_given_up_and_the_others_keep_what_they_have(
    fleet: Fleet, broken: str, others: list[str], before: dict[str, dict[str, Any]]
) -> None:
    """As docs/runbook.md says, instead of `pulumi destroy`, which ends all of them. They share a rule of ours, which the others need."""
    (rule,) = rules_inside(fleet)
    fleet.configure(dict.fromkeys(others, "cutover"))

    fleet.good(fleet.up())

    assert rules_inside(fleet) == [rule]
    assert {name for name in fleet.instances() if name.startswith(broken)} == {broken}
    assert not differing(before[broken], fleet.instance(broken), MOVES)
    totals = summary(fleet)
    assert (totals["sources"], totals["as_configured"]) == (COUNT - 1, COUNT - 1)


def rules_inside(fleet: Fleet) -> list[str]:
    """Return the rules that admit members of the security group that all sources share."""
    ((group,),) = {
        tuple(group["VpcSecurityGroupId"] for group in fleet.instance(name)["VpcSecurityGroups"])
        for name in fleet.names
    }
    answer = fleet.sandbox.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )
    return [
        rule["SecurityGroupRuleId"]
        for rule in answer["SecurityGroupRules"]
        if rule.get("ReferencedGroupInfo", {}).get("GroupId") == group and not rule["IsEgress"]
    ]
