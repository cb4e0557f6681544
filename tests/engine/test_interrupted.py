"""A cutover that is killed twice and run again, between two changes of the master password, and what a destroy does right after it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pymysql
import pytest

from dev.workload.database import rows, value
from rds_encrypt.journal import Tag
from rds_encrypt.reports.table import summary
from tests.engine.checks import (
    require_fenced,
    require_one_event,
    require_production_untouched,
    snapshot_of_production,
    unfolded,
)
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]


ACCESS_DENIED = 1045


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("interrupted")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def source(deployment: Deployment) -> dict[str, Any]:
    return deployment.instance("orders")


def test_a_hook_may_veto_and_the_log_says_so(deployment: Deployment, source: dict[str, Any]) -> None:
    deployment.up("replicate")

    output = refused_up(deployment, {"hooks": {"before": ["false"]}})

    log = deployment.files.read_json("cutover.json")
    assert log is not None
    assert (log["outcome"], log["moments"]) == ("aborted", {})
    assert "hook `before` failed" in log["error"]
    assert log["error"] in output
    assert "Writes were never refused." in output


def rotate(deployment: Deployment, identifier: str) -> None:
    """Change the master password as RDS does it, of one instance, and then the secret."""
    password = secrets.token_urlsafe(18)
    deployment.client("rds").modify_db_instance(
        DBInstanceIdentifier=identifier, MasterUserPassword=password, ApplyImmediately=True
    )
    deployment.client("secretsmanager").put_secret_value(
        SecretId=deployment.seeded.master_secret,
        SecretString=json.dumps({"username": deployment.seeded.master_user, "password": password}),
    )
    deployment.seeded = replace(deployment.seeded, master_password=password)
    until(lambda: accepts(deployment, identifier))


def accepts(deployment: Deployment, identifier: str) -> bool:
    try:
        with deployment.connected(identifier):
            return True
    except pymysql.err.OperationalError as error:
        if error.args[0] != ACCESS_DENIED:
            raise
        return False


def test_a_master_password_that_is_changed_on_the_source_alone(deployment: Deployment) -> None:
    rotate(deployment, "orders")
    assert not accepts(deployment, "orders-encrypted")

    deployment.configure("cutover")
    result = deployment.note(deployment.workspace.preview())

    assert result.ok, result.output
    output = unfolded(result.output)
    assert "orders-encrypted: it does not accept production's current master password" in output
    # A preview changes nothing; the cutover that the next test calls off is the first that needs it.
    assert not accepts(deployment, "orders-encrypted")


def test_a_budget_that_is_spent_is_called_off_and_the_log_says_how_long_writes_were_refused(
    deployment: Deployment,
) -> None:
    deployment.sandbox.faults.slow(6000, "ModifyDBParameterGroup")

    output = refused_up(deployment, {"maxWriteOutage": 5})

    log = deployment.files.read_json("cutover.json")
    assert log is not None
    assert log["outcome"] == "aborted"
    assert "more than the 5 s allowed" in log["error"]
    assert {"fence_requested", "fenced", "promoted", "fence_lifted"} <= set(log["moments"])
    assert log["write_outage"]["at_most"] > 5 > log["write_outage"]["at_least"]
    assert summary(log) in output
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'goes on' WHERE id = 1")
    assert accepts(deployment, "orders-encrypted")


def refused_up(deployment: Deployment, cutover: dict[str, Any]) -> str:
    """Run a cutover that must not succeed, and return what was printed."""
    deployment.configure("cutover", cutover=cutover)
    result = deployment.note(deployment.workspace.up("--skip-preview"))
    assert not result.ok
    assert "Traceback" not in result.output
    return result.output


def test_cutover_killed_behind_the_fence(deployment: Deployment, source: dict[str, Any]) -> None:
    deployment.killed_behind_the_fence(lambda: Tag.FENCE_BEFORE in deployment.tags("orders"))

    assert "orders-old" not in deployment.names()


def test_cutover_killed_after_the_first_rename(deployment: Deployment, source: dict[str, Any]) -> None:
    deployment.killed_up("cutover", "Cutover orders creating", lambda: "orders-old" in deployment.names())

    # In the middle of a rename AWS may not find an instance by its name, but lists it.
    listed = deployment.client("rds").describe_db_instances()["DBInstances"]
    names = {instance["DbiResourceId"]: instance["DBInstanceIdentifier"] for instance in listed}
    assert names[source["DbiResourceId"]] == "orders-old"


def test_running_it_again_completes_the_cut_over(deployment: Deployment, source: dict[str, Any]) -> None:
    deployment.up("cutover")

    now = deployment.instance("orders")
    assert now["StorageEncrypted"] is True
    assert now["DbiResourceId"] == deployment.outputs()["encrypted_instance"]
    assert deployment.instance("orders-old")["DbiResourceId"] == source["DbiResourceId"]
    require_fenced(deployment, "orders-old")
    require_one_event(deployment, "orders", "orders-old")
    with deployment.connected("orders", application=True) as connection:
        assert value(connection, "SELECT @@server_uuid") == deployment.outputs()["server_uuid"]


def test_the_log_has_the_moments_of_the_run_that_was_killed(deployment: Deployment) -> None:
    log = deployment.files.read_json("cutover.json")

    assert log is not None
    assert log["outcome"] == "complete"
    assert {"fence_requested", "fenced", "drained", "promoted", "swap_began", "open"} <= set(log["moments"])
    assert log["moments"] == deployment.outputs()["timeline"]
    # The veto, the budget, and the run that was killed behind the fence, unless the next one went on from there.
    outcomes = [run["outcome"] for run in log["earlier"]]
    assert outcomes[:2] == ["aborted", "aborted"]
    assert outcomes[2:] in ([], ["running"])


def test_a_master_password_that_is_changed_on_the_encrypted_instance_alone(deployment: Deployment) -> None:
    rotate(deployment, "orders")
    assert not accepts(deployment, "orders-old")

    result = deployment.note(deployment.workspace.refresh("--skip-preview"))

    assert result.ok, result.output
    assert accepts(deployment, "orders-old")


def test_destroying_the_encrypted_instance_by_its_urn_leaves_production_alone(deployment: Deployment) -> None:
    production = snapshot_of_production(deployment)
    urn = next(
        resource["urn"]
        for resource in deployment.workspace.resources()
        if resource["urn"].endswith("aws:rds/instance:Instance::orders-encrypted")
    )

    deployment.destroy("--target", urn, "--target-dependents")

    require_production_untouched(deployment, production)


def test_destroy_right_after_cutover_leaves_production_alone(deployment: Deployment) -> None:
    production = snapshot_of_production(deployment)

    deployment.destroy()

    require_production_untouched(deployment, production)
    assert deployment.names() == {"orders", "orders-old"}
    for identifier in ("orders", "orders-old"):
        assert not [key for key in deployment.tags(identifier) if key.startswith("rds-encrypt:")]
