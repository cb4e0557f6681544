"""What somebody else does meanwhile: modifies the source, reboots instances, writes where nobody should; seen and told, or taken along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from dev.workload.database import rows
from rds_encrypt.journal import Tag
from tests.chaos.roads import judge
from tests.chaos.roads.chain import follow
from tests.chaos.roads.run import Run
from tests.engine.account import look
from tests.engine.checks import beats, wait_until
from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]

READ_ONLY = 1290


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("meddling")) as road:
        road.client("rds").modify_db_instance(
            DBInstanceIdentifier="orders", DeletionProtection=False, MultiAZ=True, ApplyImmediately=True
        )
        wait_until(lambda: settled(road, "orders", DeletionProtection=False, MultiAZ=True))
        yield road


def settled(road: Road, identifier: str, **wanted: Any) -> bool:
    found = road.instance(identifier)
    return (
        found["DBInstanceStatus"] == "available"
        and not found["PendingModifiedValues"]
        and all(found[key] == value for key, value in wanted.items())
    )


def modify(road: Road, identifier: str, **changes: Any) -> None:
    """Modify an instance as its owner would, and wait until it is so."""
    road.client("rds").modify_db_instance(DBInstanceIdentifier=identifier, ApplyImmediately=True, **changes)
    wait_until(lambda: settled(road, identifier, **changes))


def reboot(road: Road, identifier: str, **how: Any) -> None:
    road.client("rds").reboot_db_instance(DBInstanceIdentifier=identifier, **how)


def said_by(road: Road, phase: str) -> str:
    """Run a phase that must not get to its end, and return what was printed."""
    road.configure(phase)
    result = road.note(road.workspace.up("--skip-preview"))
    assert not result.ok, result.output
    assert "Traceback" not in result.output
    assert "This is a bug" not in result.output
    return result.output


@pytest.fixture(scope="module")
def before(road: Road) -> dict[str, Any]:
    return look(road)


# Not `storage-full`: the AWS provider waits for that to pass, since storage that RDS may enlarge by itself will.
@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("failed", "Read its events in the RDS console; if it does not come back, ask AWS Support"),
        ("incompatible-parameters", "Correct the parameter that its events name"),
    ],
)
def test_a_restore_that_ends_badly(road: Road, before: dict[str, Any], status: str, advice: str) -> None:
    """The provider's own sentence comes first; the next run says what it means, and `destroy` takes away what there is."""
    road.sandbox.faults.fail_restore(status)
    said_by(road, "replicate")

    said = said_by(road, "replicate")

    assert f"orders-encrypted: its status is {status}, which it will not leave on its own" in said
    assert advice in said
    road.destroy()
    assert judge.as_it_was(road, before) == []


def test_a_key_that_is_disabled_before_the_snapshot_is_copied(road: Road, before: dict[str, Any]) -> None:
    kms = road.client("kms")
    road.configure("replicate")
    run = Run(road, "up")
    assert run.shows("Snapshot orders-not-encrypted", "creating"), run.output
    key = road.seeded.key_arn.rpartition("/")[2]
    kms.disable_key(KeyId=key)

    ending = run.ending()

    assert ending.kind == "failed", run.output
    assert "KMSKeyNotAccessibleFault" in ending.said
    assert "the key is Disabled. Enable it, or choose another" in said_by(road, "replicate")
    kms.enable_key(KeyId=key)
    assert judge_after_up(road, "replicate", judge.replicating) == []
    road.destroy()


def test_a_replica_that_rds_reboots_after_its_snapshot(road: Road) -> None:
    """What the snapshot holds is known by then."""
    road.configure("replicate")
    run = Run(road, "up")
    assert run.shows("SnapshotCopy orders-encrypted", "creating"), run.output
    road.sandbox.faults.reboot_by_rds("orders-not-encrypted")

    ending = run.ending()

    assert ending.kind == "completed", run.output
    assert judge.replicating(road) == []
    road.destroy()


def test_a_replica_that_rds_reboots_while_it_is_compared(road: Road) -> None:
    """What was compared until then does not count, so the comparison begins again."""
    road.configure("replicate")
    run = Run(road, "up")
    assert run.shows("Verification orders", "creating"), run.output
    road.sandbox.faults.reboot_by_rds("orders-not-encrypted")

    ending = run.ending()

    assert ending.kind == "completed", run.output
    assert judge.replicating(road) == []
    road.destroy()


def test_a_source_that_is_modified_and_fails_over_while_it_is_replicated(road: Road) -> None:
    road.configure("replicate")
    run = Run(road, "up")
    assert run.shows("Instance orders-encrypted", "creating"), run.output
    road.client("rds").modify_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.t3.xlarge",
        DeletionProtection=True,
        ApplyImmediately=True,
    )

    first = run.ending()

    assert first.ours, first
    if first.kind != "completed":
        assert "its settings differ from the source's" in first.said, first
    wait_until(lambda: settled(road, "orders", DBInstanceClass="db.t3.xlarge", DeletionProtection=True))
    reboot(road, "orders", ForceFailover=True)
    road.configure("replicate")
    assert judge_after_up(road, "replicate", judge.replicating) == []
    assert road.instance("orders-encrypted")["DBInstanceClass"] == "db.t3.xlarge"
    assert road.instance("orders-encrypted")["DeletionProtection"] is True


def judge_after_up(road: Road, phase: str, end: Callable[[Road], list[str]]) -> list[str]:
    """Run a phase until it comes to its end: one run may tell what the next one then does."""
    chain = follow(road, "up", phase, ())
    return chain.wrong or end(road)


def test_a_class_that_is_changed_before_the_cut_over_calls_it_off(road: Road) -> None:
    modify(road, "orders", DBInstanceClass="db.t3.medium")

    said = said_by(road, "cutover")

    assert "settings-match (orders-encrypted is not like orders: DBInstanceClass is 'db.t3.xlarge'" in said
    assert "Nothing was touched: applications write as before and replication goes on" in said
    road.up("replicate")
    assert road.instance("orders-encrypted")["DBInstanceClass"] == "db.t3.medium"


def test_a_parameter_group_that_is_exchanged_before_the_cut_over_calls_it_off(road: Road) -> None:
    rds = road.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="orders-new", DBParameterGroupFamily="mysql8.0", Description="another"
    )
    before = road.instance("orders")["DBParameterGroups"][0]["DBParameterGroupName"]
    give_group(road, "orders-new")

    try:
        said = said_by(road, "cutover")
    finally:
        give_group(road, before)

    assert f"fence-possible (orders does not run with parameter group {before}" in said


def give_group(road: Road, group: str) -> None:
    rds = road.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier="orders", DBParameterGroupName=group, ApplyImmediately=True)
    wait_until(lambda: settled(road, "orders"))
    reboot(road, "orders")
    wait_until(
        lambda: (
            settled(road, "orders")
            and road.instance("orders")["DBParameterGroups"]
            == [{"DBParameterGroupName": group, "ParameterApplyStatus": "in-sync"}]
        )
    )


@pytest.mark.parametrize("identifier", ["orders-encrypted", "orders"])
def test_an_instance_that_fails_over_while_the_other_follows(road: Road, identifier: str) -> None:
    road.configure("replicate")
    reboot(road, identifier, ForceFailover=True)

    assert judge_after_up(road, "replicate", judge.replicating) == []


def test_an_encrypted_instance_that_somebody_opens_and_writes_to_calls_the_cut_over_off(road: Road) -> None:
    rds = road.client("rds")
    opened = [{"ParameterName": "read_only", "ParameterValue": "0", "ApplyMethod": "immediate"}]
    rds.modify_db_parameter_group(DBParameterGroupName="orders-encrypted", Parameters=opened)
    wait_until(lambda: writes(road, "UPDATE orders SET note = 'by mistake' WHERE id = 2"))

    said = said_by(road, "cutover")

    assert "candidate-read-only (orders-encrypted accepts writes" in said
    road.configure("replicate")
    assert "update" in " ".join(str(row) for row in road.preview("--refresh") if "ParameterGroup" in row.type)
    road.note(road.workspace.refresh("--skip-preview"))
    road.up("replicate")
    assert not writes(road, "UPDATE orders SET note = 'by mistake' WHERE id = 2")
    # It is held again; what was written remains, and whoever verifies finds it.
    said = said_by_verification(road)
    assert "shop.orders" in said


def said_by_verification(road: Road) -> str:
    """Let a verification be due again, as it is after a day."""
    road.client("rds").remove_tags_from_resource(
        ResourceName=road.instance("orders")["DBInstanceArn"], TagKeys=[Tag.VERIFIED]
    )
    return said_by(road, "replicate")


def writes(road: Road, statement: str) -> bool:
    """Whether the application may write to the encrypted instance."""
    with road.connected("orders-encrypted", application=True) as connection:
        try:
            rows(connection, statement)
        except pymysql.err.OperationalError as refused:
            if refused.args[0] != READ_ONLY:
                raise
            return False
    return True


def test_and_the_migration_begins_anew_after_that(road: Road) -> None:
    road.destroy()
    road.up("replicate")
    with road.connected("orders") as source, road.connected("orders-encrypted") as encrypted:
        last = beats(source)[-1]
        assert beats(encrypted, until=last)[-1] >= last
