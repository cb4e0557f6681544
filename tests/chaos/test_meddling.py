"""What somebody else does meanwhile: modifies the source, reboots instances, writes where nobody should; seen and told, or taken along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from dev.workload.database import rows
from rds_encrypt.journal import Tag
from tests.chaos.procedure import judge
from tests.chaos.procedure.chain import follow
from tests.chaos.procedure.run import Run
from tests.engine.account import look
from tests.engine.checks import beats
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READ_ONLY = 1290


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("meddling")) as deployment:
        deployment.client("rds").modify_db_instance(
            DBInstanceIdentifier="orders", DeletionProtection=False, MultiAZ=True, ApplyImmediately=True
        )
        until(lambda: settled(deployment, "orders", DeletionProtection=False, MultiAZ=True))
        yield deployment


def settled(deployment: Deployment, identifier: str, **expected: Any) -> bool:
    instance = deployment.instance(identifier)
    return (
        instance["DBInstanceStatus"] == "available"
        and not instance["PendingModifiedValues"]
        and all(instance[key] == value for key, value in expected.items())
    )


def modify(deployment: Deployment, identifier: str, **changes: Any) -> None:
    """Modify an instance as its owner would, and wait until it is so."""
    deployment.client("rds").modify_db_instance(
        DBInstanceIdentifier=identifier, ApplyImmediately=True, **changes
    )
    until(lambda: settled(deployment, identifier, **changes))


def reboot(deployment: Deployment, identifier: str, **how: Any) -> None:
    deployment.client("rds").reboot_db_instance(DBInstanceIdentifier=identifier, **how)


def said_by(deployment: Deployment, phase: str) -> str:
    """Run a phase that must not get to its end, and return what was printed."""
    deployment.configure(phase)
    result = deployment.note(deployment.workspace.up("--skip-preview"))
    assert not result.ok, result.output
    assert "Traceback" not in result.output
    assert "This is a bug" not in result.output
    return result.output


@pytest.fixture(scope="module")
def before(deployment: Deployment) -> dict[str, Any]:
    return look(deployment)


# Not `storage-full`: the AWS provider waits for that to pass, since storage that RDS may enlarge by itself will.
@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("failed", "Read its events in the RDS console; if it does not come back, ask AWS Support"),
        ("incompatible-parameters", "Correct the parameter that its events name"),
    ],
)
def test_a_restore_that_ends_badly(
    deployment: Deployment, before: dict[str, Any], status: str, advice: str
) -> None:
    """The provider's own sentence comes first; the next run says what it means, and `destroy` takes away what there is."""
    deployment.sandbox.faults.fail_restore(status)
    said_by(deployment, "replicate")

    output = said_by(deployment, "replicate")

    assert f"orders-encrypted: its status is {status}, which it will not leave on its own" in output
    assert advice in output
    deployment.destroy()
    assert judge.as_it_was(deployment, before) == []


def test_a_key_that_is_disabled_before_the_snapshot_is_copied(
    deployment: Deployment, before: dict[str, Any]
) -> None:
    kms = deployment.client("kms")
    deployment.configure("replicate")
    run = Run(deployment, "up")
    assert run.shows("Snapshot orders-not-encrypted", "creating"), run.output
    key = deployment.seeded.key_arn.rpartition("/")[2]
    kms.disable_key(KeyId=key)

    ending = run.ending()

    assert ending.kind == "failed", run.output
    assert "KMSKeyNotAccessibleFault" in ending.said
    assert "the key is Disabled. Enable it, or choose another" in said_by(deployment, "replicate")
    kms.enable_key(KeyId=key)
    assert judge_after_up(deployment, "replicate", judge.replicating) == []
    deployment.destroy()


def test_a_replica_that_rds_reboots_after_its_snapshot(deployment: Deployment) -> None:
    """What the snapshot holds is known by then."""
    deployment.configure("replicate")
    run = Run(deployment, "up")
    assert run.shows("SnapshotCopy orders-encrypted", "creating"), run.output
    deployment.sandbox.faults.reboot_by_rds("orders-not-encrypted")

    ending = run.ending()

    assert ending.kind == "completed", run.output
    assert judge.replicating(deployment) == []
    deployment.destroy()


def test_a_replica_that_rds_reboots_while_it_is_compared(deployment: Deployment) -> None:
    """What was compared until then does not count, so the comparison begins again."""
    deployment.configure("replicate")
    run = Run(deployment, "up")
    assert run.shows("Verification orders", "creating"), run.output
    deployment.sandbox.faults.reboot_by_rds("orders-not-encrypted")

    ending = run.ending()

    assert ending.kind == "completed", run.output
    assert judge.replicating(deployment) == []
    deployment.destroy()


def test_a_source_that_is_modified_and_fails_over_while_it_is_replicated(deployment: Deployment) -> None:
    deployment.configure("replicate")
    run = Run(deployment, "up")
    assert run.shows("Instance orders-encrypted", "creating"), run.output
    deployment.client("rds").modify_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.t3.xlarge",
        DeletionProtection=True,
        ApplyImmediately=True,
    )

    first = run.ending()

    assert first.ours, first
    if first.kind != "completed":
        assert "its settings differ from the source's" in first.said, first
    until(lambda: settled(deployment, "orders", DBInstanceClass="db.t3.xlarge", DeletionProtection=True))
    reboot(deployment, "orders", ForceFailover=True)
    deployment.configure("replicate")
    assert judge_after_up(deployment, "replicate", judge.replicating) == []
    assert deployment.instance("orders-encrypted")["DBInstanceClass"] == "db.t3.xlarge"
    assert deployment.instance("orders-encrypted")["DeletionProtection"] is True


def judge_after_up(deployment: Deployment, phase: str, end: Callable[[Deployment], list[str]]) -> list[str]:
    """Run a phase until it comes to its end: one run may tell what the next one then does."""
    chain = follow(deployment, "up", phase, ())
    return chain.wrong or end(deployment)


def test_a_class_that_is_changed_before_the_cut_over_calls_it_off(deployment: Deployment) -> None:
    modify(deployment, "orders", DBInstanceClass="db.t3.medium")

    output = said_by(deployment, "cutover")

    assert "settings-match (orders-encrypted is not like orders: DBInstanceClass is 'db.t3.xlarge'" in output
    assert "Nothing was touched: applications write as before and replication goes on" in output
    deployment.up("replicate")
    assert deployment.instance("orders-encrypted")["DBInstanceClass"] == "db.t3.medium"


def test_a_parameter_group_that_is_exchanged_before_the_cut_over_calls_it_off(deployment: Deployment) -> None:
    rds = deployment.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="orders-new", DBParameterGroupFamily="mysql8.0", Description="another"
    )
    before = deployment.instance("orders")["DBParameterGroups"][0]["DBParameterGroupName"]
    give_group(deployment, "orders-new")

    try:
        output = said_by(deployment, "cutover")
    finally:
        give_group(deployment, before)

    assert f"fence-possible (orders does not run with parameter group {before}" in output


def give_group(deployment: Deployment, group: str) -> None:
    rds = deployment.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier="orders", DBParameterGroupName=group, ApplyImmediately=True)
    until(lambda: settled(deployment, "orders"))
    reboot(deployment, "orders")
    until(
        lambda: (
            settled(deployment, "orders")
            and deployment.instance("orders")["DBParameterGroups"]
            == [{"DBParameterGroupName": group, "ParameterApplyStatus": "in-sync"}]
        )
    )


@pytest.mark.parametrize("identifier", ["orders-encrypted", "orders"])
def test_an_instance_that_fails_over_while_the_other_follows(deployment: Deployment, identifier: str) -> None:
    deployment.configure("replicate")
    reboot(deployment, identifier, ForceFailover=True)

    assert judge_after_up(deployment, "replicate", judge.replicating) == []


def test_an_encrypted_instance_that_somebody_opens_and_writes_to_calls_the_cut_over_off(
    deployment: Deployment,
) -> None:
    rds = deployment.client("rds")
    opened = [{"ParameterName": "read_only", "ParameterValue": "0", "ApplyMethod": "immediate"}]
    rds.modify_db_parameter_group(DBParameterGroupName="orders-encrypted", Parameters=opened)
    until(lambda: writes(deployment, "UPDATE orders SET note = 'by mistake' WHERE id = 2"))

    output = said_by(deployment, "cutover")

    assert "candidate-read-only (orders-encrypted accepts writes" in output
    deployment.configure("replicate")
    assert "update" in " ".join(
        str(row) for row in deployment.preview("--refresh") if "ParameterGroup" in row.type
    )
    deployment.note(deployment.workspace.refresh("--skip-preview"))
    deployment.up("replicate")
    assert not writes(deployment, "UPDATE orders SET note = 'by mistake' WHERE id = 2")
    # It is held again; what was written remains, and whoever verifies finds it.
    output = said_by_verification(deployment)
    assert "shop.orders" in output


def said_by_verification(deployment: Deployment) -> str:
    """Let a verification be due again, as it is after a day."""
    deployment.client("rds").remove_tags_from_resource(
        ResourceName=deployment.instance("orders")["DBInstanceArn"], TagKeys=[Tag.VERIFIED]
    )
    return said_by(deployment, "replicate")


def writes(deployment: Deployment, statement: str) -> bool:
    """Whether the application may write to the encrypted instance."""
    with deployment.connected("orders-encrypted", application=True) as connection:
        try:
            rows(connection, statement)
        except pymysql.err.OperationalError as refused:
            if refused.args[0] != READ_ONLY:
                raise
            return False
    return True


def test_and_the_migration_begins_anew_after_that(deployment: Deployment) -> None:
    deployment.destroy()
    deployment.up("replicate")
    with deployment.connected("orders") as source, deployment.connected("orders-encrypted") as encrypted:
        last = beats(source)[-1]
        beats(encrypted, at_least=last)
