"""What cannot work is refused at preview, in one sentence each, with nothing touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.road import Road, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READING = ("Describe", "Get", "List")


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with driving(tmp_path_factory.mktemp("refusals")) as road:
        make(road, "bare", BackupRetentionPeriod=0)
        make(road, "vault", StorageEncrypted=True, BackupRetentionPeriod=1)
        yield road


def make(road: Road, identifier: str, **settings: Any) -> None:
    """Make an instance that cannot be migrated, with AWS's default parameter group."""
    rds = road.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=identifier,
        DBInstanceClass="db.t3.medium",
        Engine="mysql",
        EngineVersion="8.0",
        AllocatedStorage=20,
        MasterUsername="admin",
        MasterUserPassword="a-good-Password1",
        **settings,
    )
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=identifier, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


@pytest.fixture(autouse=True)
def _nothing_is_touched(road: Road) -> Iterator[None]:
    """Whatever a test previews, AWS is only ever asked."""
    before = len(road.sandbox.calls())
    yield
    asked = {call["action"] for call in road.sandbox.calls()[before:]}
    assert {action for action in asked if not action.startswith(READING)} - {"CreateSecret"} == set()


def refused(road: Road) -> str:
    """Preview, and return the sentences that it ended with: one error and nothing that only a programmer reads."""
    result = road.note(road.workspace.preview())
    assert not result.ok, result.output
    assert "Traceback" not in result.output
    assert "This is a bug" not in result.output
    errors = [
        line.strip().removeprefix("error: ")
        for line in result.output.partition("Diagnostics:")[2].splitlines()
        if line.strip().startswith("error: ")
    ]
    # The engine adds a line of its own to every failure.
    engines = ("an unhandled error occurred", "preview failed", "Resource monitor has terminated")
    return "\n".join(line for line in errors if not line.startswith(engines))


def test_an_unknown_phase(road: Road) -> None:
    road.configure("switchover")
    said = refused(road)
    assert said.startswith("rds-encrypt:phase: must be one of 'replicate', 'cutover', 'rollback', 'cleanup'")
    assert said.count("\n") == 0


def test_a_missing_identifier(road: Road) -> None:
    road.configure("replicate", identifier=None)
    assert refused(road) == (
        "rds-encrypt:sources[0].identifier: this key is missing."
        " `pulumi config set --path 'rds-encrypt:sources[0].identifier' …`."
    )


def test_an_identifier_that_is_nobodys(road: Road) -> None:
    road.configure("replicate", identifier="oders")
    assert refused(road) == (
        "identifier 'oders': there is no DB instance of this name in us-east-1."
        " Correct `identifier`, or `aws:region`."
    )


def test_an_identifier_too_long_once_suffixed(road: Road) -> None:
    road.configure("replicate", identifier="a" * 50)
    said = refused(road)
    assert "would have 64 characters, but RDS allows 63. Rename the instance to at most 49 characters" in said
    assert said.count("\n") == 0


def test_a_source_that_is_encrypted_already(road: Road) -> None:
    road.configure("replicate", identifier="vault")
    said = refused(road)
    assert said.startswith("vault: its storage is already encrypted (with arn:aws:kms:")
    assert said.endswith("Remove it from `sources`: there is nothing to do.")


def test_an_unknown_key(road: Road) -> None:
    road.configure("replicate", kmsKey="alias/nobodys")
    said = refused(road)
    assert said.startswith(
        "kmsKey alias/nobodys: KMS in us-east-1 has no such key. Give the id, ARN or alias"
    )
    assert said.count("\n") == 0


def test_no_backups_and_a_default_parameter_group_are_one_sentence_each(road: Road) -> None:
    """With strategy `rename` the group would do: accounts are locked then."""
    road.configure("replicate", identifier="bare", cutover={"strategy": "none"})
    said = refused(road).splitlines()
    assert len(said) == 2
    assert "its backup retention period is 0, so RDS writes no binlog" in said[0]
    assert "parameter group default.mysql8.0 is AWS's default, which cannot be changed" in said[1]


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        ("cutover", "phase `cutover` needs an encrypted instance that replicates, and there is none"),
        ("rollback", "there is no cutover to roll back"),
        ("cleanup", "phase `cleanup` needs the cutover to be complete, and it is not"),
    ],
)
def test_a_phase_that_would_skip_another(road: Road, phase: str, sentence: str) -> None:
    road.configure(phase)
    said = refused(road)
    assert sentence in said
    assert said.count("\n") == 0


def test_a_secret_that_is_not_there(road: Road) -> None:
    road.configure("replicate", credentials={"secretId": "orders/nobodys"})
    said = refused(road)
    assert "secret orders/nobodys" in said
    assert said.count("\n") == 0


def test_a_secret_with_the_wrong_password(road: Road) -> None:
    vault = road.client("secretsmanager")
    vault.create_secret(
        Name="orders/wrong", SecretString=json.dumps({"username": "admin", "password": "not-the-Password1"})
    )
    road.configure("replicate", credentials={"secretId": "orders/wrong"})
    said = refused(road)
    assert "Access denied for user 'admin'" in said
    assert "not-the-Password1" not in said
    assert said.count("\n") == 0


def test_a_variable_that_holds_no_password(road: Road) -> None:
    road.configure("replicate", credentials={"environment": "NOBODYS_PASSWORD"})
    assert "the environment variable NOBODYS_PASSWORD holds no password" in refused(road)
