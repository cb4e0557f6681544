"""Verification with the real engine: it is in the outputs, a corruption stops the procedure, and both instances go on following."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import admin_session, execute
from dev.workload.database import rows
from rds_encrypt.journal import Tag
from rds_encrypt.rehearse.writer import Writer
from tests.engine.deployment import ROWS, Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

FOLLOWERS = ("orders-not-encrypted", "orders-encrypted")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("verification")) as deployment:
        yield deployment


def test_replicate_ends_verified_while_applications_write(deployment: Deployment) -> None:
    with Writer(
        deployment.address("orders"), deployment.application, deployment.seeded.database, connections=2
    ).writing():
        deployment.up("replicate")

    outputs = deployment.outputs()
    assert outputs["differences"] == []
    assert outputs["verify_level"] == "full"
    assert outputs["verified_tables"] == 7
    assert outputs["verified_rows"] > ROWS
    assert deployment.tags("orders")[Tag.VERIFIED].startswith(f"{outputs['verified_at']} full ")
    report = deployment.files.read_json("verification.json")
    assert report is not None
    assert (report["clean"], report["verified_coordinates"]) == (True, outputs["verified_coordinates"])
    require_following(deployment)


def test_while_it_is_fresh_there_is_nothing_to_do(deployment: Deployment) -> None:
    deployment.require_rest()


def test_a_corruption_stops_the_procedure_and_names_the_row(deployment: Deployment) -> None:
    corrupt(deployment, "UPDATE customers SET name = CONCAT(name, ' ') WHERE id = 7")
    make_old(deployment)

    deployment.configure("cutover")
    result = deployment.note(deployment.workspace.up("--skip-preview"))

    assert not result.ok
    assert "Traceback" not in result.output
    assert f"row {deployment.seeded.database}.customers, id=7: digest" in result.output
    assert "orders-old" not in deployment.names()
    assert not {Tag.VERIFIED, Tag.VERIFYING} & deployment.tags("orders").keys()
    require_following(deployment)


def test_a_killed_verification_is_made_good_by_the_next(deployment: Deployment) -> None:
    corrupt(deployment, "UPDATE customers SET name = TRIM(name) WHERE id = 7")
    deployment.killed_up(
        "replicate",
        "Verification orders updating",
        lambda: Tag.VERIFYING in deployment.tags("orders"),
    )
    # As if it had been killed while the encrypted instance had one applier.
    before = own_values(deployment)
    deployment.client("rds").modify_db_parameter_group(
        DBParameterGroupName="orders-encrypted",
        Parameters=[
            {"ParameterName": "slave_parallel_workers", "ParameterValue": "1", "ApplyMethod": "immediate"}
        ],
    )
    deployment.up("replicate")

    assert own_values(deployment) == before
    with deployment.connected("orders-encrypted") as connection:
        assert rows(connection, "SELECT @@GLOBAL.slave_parallel_workers AS n") == [{"n": 4}]
    assert Tag.VERIFYING not in deployment.tags("orders")
    assert deployment.outputs()["differences"] == []
    require_following(deployment)
    deployment.require_rest()


def test_it_can_be_off_or_a_sample(deployment: Deployment) -> None:
    deployment.up("replicate", verify={"level": "off"})
    assert deployment.outputs()["verify_level"] == "off"

    deployment.up("replicate", verify={"level": "sample", "sample": 0.5})
    outputs = deployment.outputs()
    assert (outputs["verify_level"], outputs["verified_tables"], outputs["differences"]) == ("sample", 7, [])
    assert deployment.tags("orders")[Tag.VERIFIED].startswith(f"{outputs['verified_at']} sample ")
    require_following(deployment)


def test_one_that_is_too_old_is_made_again_before_the_cut_over(deployment: Deployment) -> None:
    before = deployment.outputs()["verified_at"]
    make_old(deployment)
    deployment.up("cutover")

    outputs = deployment.outputs()
    assert outputs["phase"] == "cutover"
    assert outputs["verified_at"] > before
    assert outputs["accepted_checks"] == []
    # What was verified before the name moved does not speak for what was written since.
    assert Tag.VERIFIED not in deployment.tags("orders-old")
    deployment.require_rest()


def corrupt(deployment: Deployment, statement: str) -> None:
    """Change the encrypted instance as RDS's own account could, past `read_only` and past its binlog."""
    instances = {instance["resource_id"]: instance for instance in deployment.sandbox.status()["instances"]}
    directory = Path(instances[deployment.instance("orders-encrypted")["DbiResourceId"]]["directory"])
    with admin_session(directory, HostSecrets.of(directory / "data").admin) as session:
        execute(session, f"USE {deployment.seeded.database}")
        assert execute(session, statement) == 1


def make_old(deployment: Deployment) -> None:
    """Date the last verification to the day before yesterday."""
    instance = deployment.instance("orders")
    encrypted_id = deployment.instance("orders-encrypted")["DbiResourceId"]
    old = (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="seconds")
    deployment.client("rds").add_tags_to_resource(
        ResourceName=instance["DBInstanceArn"],
        Tags=[{"Key": Tag.VERIFIED, "Value": f"{old} full {encrypted_id}"}],
    )


def own_values(deployment: Deployment) -> dict[str, str]:
    """What is set in the encrypted instance's own group; replication is strict there until it is opened."""
    pages = deployment.client("rds").get_paginator("describe_db_parameters")
    values = {
        parameter["ParameterName"]: parameter["ParameterValue"]
        for page in pages.paginate(DBParameterGroupName="orders-encrypted", Source="user")
        for parameter in page["Parameters"]
    }
    assert values["slave_exec_mode"] == "STRICT"
    return values


def require_following(deployment: Deployment) -> None:
    """Require that both copies follow the source, without an UNTIL condition."""
    for name in FOLLOWERS:
        with deployment.connected(name) as connection:
            (status,) = rows(connection, "SHOW REPLICA STATUS")
        running = [status[key] for key in ("Replica_IO_Running", "Replica_SQL_Running", "Until_Condition")]
        assert running == ["Yes", "Yes", "None"], name
