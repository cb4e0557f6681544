"""Strategy `dns` there, back and there again, with a record for a replica's readers, hooks that veto and announce, and an operator who
holds and releases."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.sandbox.seed import await_available
from dev.workload.database import rows, value
from rds_encrypt.journal import Tag
from rds_encrypt.rehearse.workspace import Result
from tests.engine.checks import require_fenced
from tests.engine.deployment import Deployment, driving
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

RECORD = "orders-db.shop.internal"
READER = "orders-r1"
READS = "orders-reads.shop.internal"
HOLDING = 4.0
"""Seconds of watching a cutover that is held."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("strategies")) as deployment:
        rds = deployment.client("rds")
        rds.create_db_instance_read_replica(DBInstanceIdentifier=READER, SourceDBInstanceIdentifier="orders")
        await_available(rds, READER)
        yield deployment


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hook that writes down what it is told, and says no as long as there is a file beside it."""
    script = tmp_path_factory.mktemp("hooks") / "hook"
    script.write_text(
        "#!/bin/sh\n"
        'cd "$(dirname "$0")"\n'
        'env | grep "^RDS_ENCRYPT_" | sort > "$(echo "$RDS_ENCRYPT_EVENT" | tr " " -)"\n'
        'if [ -e veto ]; then echo "change freeze until Monday" >&2; exit 3; fi\n',
        encoding="utf-8",
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


@pytest.fixture(scope="module")
def zone(deployment: Deployment) -> str:
    """A zone with the records that writers and readers use."""
    route53 = deployment.client("route53")
    made: str = route53.create_hosted_zone(Name="shop.internal", CallerReference="test")["HostedZone"]["Id"]
    zone = made.removeprefix("/hostedzone/")
    route53.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={
            "Changes": [
                {
                    "Action": "CREATE",
                    "ResourceRecordSet": {
                        "Name": record,
                        "Type": "CNAME",
                        "TTL": 5,
                        "ResourceRecords": [{"Value": deployment.address(instance).host}],
                    },
                }
                for record, instance in ((RECORD, "orders"), (READS, READER))
            ]
        },
    )
    return zone


def settings(zone: str, hook: Path, **changes: Any) -> dict[str, Any]:
    cutover = {
        "strategy": "dns",
        "dns": {"hostedZoneId": zone, "record": RECORD},
        "hooks": {"before": [str(hook)], "after": [str(hook)]},
        **changes,
    }
    return {
        "cutover": cutover,
        "replicas": {"records": {READER: {"hostedZoneId": zone, "record": READS}}},
    }


def points_at(deployment: Deployment, zone: str, record: str = RECORD) -> str:
    answer = deployment.client("route53").list_resource_record_sets(HostedZoneId=zone, StartRecordName=record)
    target: str = answer["ResourceRecordSets"][0]["ResourceRecords"][0]["Value"]
    return target.rstrip(".")


def hook_variables(hook: Path, event: str) -> dict[str, str]:
    lines = (hook.parent / event).read_text(encoding="utf-8").splitlines()
    return dict(line.removeprefix("RDS_ENCRYPT_").split("=", 1) for line in lines)


def test_a_hook_that_says_no_calls_it_off_before_anything_is_touched(
    deployment: Deployment, zone: str, hook: Path
) -> None:
    deployment.up("replicate")
    (hook.parent / "veto").touch()
    deployment.configure("cutover", **settings(zone, hook))

    refused = deployment.note(deployment.workspace.up("--skip-preview"))

    assert not refused.ok
    assert "hook `before` failed (exit 3: change freeze until Monday)" in refused.output
    assert Tag.FENCE_BEFORE not in deployment.tags("orders")
    assert points_at(deployment, zone) == deployment.address("orders").host
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'after the veto' WHERE id = 1")
    (hook.parent / "veto").unlink()
    (hook.parent / "cutover-before").unlink()


def protect(deployment: Deployment, *, protected: bool) -> None:
    """Switch the source's deletion protection, as its owner would in the console."""
    deployment.client("rds").modify_db_instance(
        DBInstanceIdentifier="orders", DeletionProtection=protected, ApplyImmediately=True
    )
    until(lambda: deployment.instance("orders")["DeletionProtection"] is protected)


def test_up_in_replicate_gives_the_size_and_the_protection_that_the_source_has_by_now(
    deployment: Deployment,
) -> None:
    deployment.sandbox.faults.grow("orders", 30)
    protect(deployment, protected=False)

    deployment.up("replicate")

    there = deployment.instance("orders-encrypted")
    assert (there["AllocatedStorage"], there["DeletionProtection"]) == (30, False)
    # Switched on again after that: nothing that a cutover could not make up for.
    protect(deployment, protected=True)


def test_a_postponed_cut_over_waits_for_its_release_with_writes_going_on(
    deployment: Deployment, zone: str, hook: Path
) -> None:
    deployment.configure("cutover", **settings(zone, hook, postpone=True))
    begun = threading.Event()
    results: list[Result] = []

    def listen(line: str) -> None:
        if "Cutover" in line and "creating" in line:
            begun.set()

    run = threading.Thread(
        target=lambda: results.append(deployment.workspace.up("--skip-preview", listen=listen)), daemon=True
    )
    run.start()
    assert begun.wait(60)
    time.sleep(HOLDING)
    assert not (hook.parent / "cutover-before").exists()
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'while it waits' WHERE id = 2")
    instance = deployment.instance("orders")
    deployment.client("rds").add_tags_to_resource(
        ResourceName=instance["DBInstanceArn"], Tags=[{"Key": Tag.RELEASE, "Value": "now"}]
    )
    run.join(PATIENCE)

    assert [result.ok for result in results] == [True], deployment.note(results[0]).output
    assert Tag.RELEASE not in deployment.tags("orders"), "a release is good for one cutover"
    assert deployment.outputs()["rollback_path"] == "open"
    until(lambda: deployment.instance("orders-encrypted")["DeletionProtection"] is True)


def test_the_record_leads_to_the_encrypted_instance_and_both_keep_their_names(
    deployment: Deployment, zone: str, hook: Path
) -> None:
    assert points_at(deployment, zone) == deployment.address("orders-encrypted").host
    assert points_at(deployment, zone, READS) == deployment.address(f"{READER}-encrypted").host
    assert deployment.names() == {
        "orders",
        "orders-not-encrypted",
        "orders-encrypted",
        READER,
        f"{READER}-encrypted",
    }
    require_fenced(deployment, "orders")
    with deployment.connected("orders-encrypted", application=True) as connection:
        assert value(connection, "SELECT note FROM orders WHERE id = 2") == "while it waits"
        rows(connection, "UPDATE orders SET note = 'on the encrypted one' WHERE id = 3")
    before, after = hook_variables(hook, "cutover-before"), hook_variables(hook, "cutover-after")
    assert before == {**after, "EVENT": "cutover before"}
    assert after["IDENTIFIER"] == "orders"
    assert after["FROM_ADDRESS"] == deployment.address("orders").host
    assert after["TO_ADDRESS"] == deployment.address("orders-encrypted").host


def test_back_with_every_write_and_there_again(deployment: Deployment, zone: str, hook: Path) -> None:
    for name in ("orders", "orders-encrypted"):
        deployment.client("rds").add_tags_to_resource(
            ResourceName=deployment.instance(name)["DBInstanceArn"],
            Tags=[{"Key": Tag.RELEASE, "Value": "now"}],
        )
    deployment.up("rollback", **settings(zone, hook, postpone=True))
    assert not any(Tag.RELEASE in deployment.tags(name) for name in ("orders", "orders-encrypted"))
    assert points_at(deployment, zone) == deployment.address("orders").host
    assert points_at(deployment, zone, READS) == deployment.address(READER).host
    require_fenced(deployment, "orders-encrypted")
    with deployment.connected("orders", application=True) as connection:
        assert value(connection, "SELECT note FROM orders WHERE id = 3") == "on the encrypted one"
        rows(connection, "UPDATE orders SET note = 'back on the source' WHERE id = 4")

    deployment.up("cutover", **settings(zone, hook))

    assert points_at(deployment, zone) == deployment.address("orders-encrypted").host
    with deployment.connected("orders-encrypted", application=True) as connection:
        assert value(connection, "SELECT note FROM orders WHERE id = 4") == "back on the source"
    require_fenced(deployment, "orders")
    assert "rollback before" in json.dumps(hook_variables(hook, "rollback-before"))
