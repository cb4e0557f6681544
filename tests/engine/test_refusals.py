"""What cannot work is refused at preview, in one sentence each, with nothing touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READING = ("Describe", "Get", "List")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("refusals")) as deployment:
        make(deployment, "bare", BackupRetentionPeriod=0)
        make(deployment, "vault", StorageEncrypted=True, BackupRetentionPeriod=1)
        yield deployment


def make(deployment: Deployment, identifier: str, **settings: Any) -> None:
    """Make an instance that cannot be migrated, with AWS's default parameter group."""
    rds = deployment.client("rds")
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
def _nothing_is_touched(deployment: Deployment) -> Iterator[None]:
    """Whatever a test previews, it only ever reads from AWS."""
    before = len(deployment.sandbox.calls())
    yield
    asked = {call["action"] for call in deployment.sandbox.calls()[before:]}
    assert {action for action in asked if not action.startswith(READING)} - {"CreateSecret"} == set()


def refused(deployment: Deployment) -> str:
    """Preview, and return the sentences that it ended with: one error and nothing that only a programmer reads."""
    result = deployment.note(deployment.workspace.preview())
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


def test_an_unknown_phase(deployment: Deployment) -> None:
    deployment.configure("switchover")
    error = refused(deployment)
    assert error.startswith("rds-encrypt:phase: must be one of 'replicate', 'cutover', 'rollback', 'cleanup'")
    assert error.count("\n") == 0


def test_a_missing_identifier(deployment: Deployment) -> None:
    deployment.configure("replicate", identifier=None)
    assert refused(deployment) == (
        "rds-encrypt:sources[0].identifier: this key is missing."
        " `pulumi config set --path 'rds-encrypt:sources[0].identifier' …`."
    )


def test_an_identifier_that_is_nobodys(deployment: Deployment) -> None:
    deployment.configure("replicate", identifier="oders")
    assert refused(deployment) == (
        "identifier 'oders': there is no DB instance of this name in us-east-1."
        " Correct `identifier`, or `aws:region`."
    )


def test_an_identifier_too_long_once_suffixed(deployment: Deployment) -> None:
    deployment.configure("replicate", identifier="a" * 50)
    error = refused(deployment)
    assert (
        "would have 64 characters, but RDS allows 63. Rename the instance to at most 49 characters" in error
    )
    assert error.count("\n") == 0


def test_a_source_that_is_encrypted_already(deployment: Deployment) -> None:
    deployment.configure("replicate", identifier="vault")
    error = refused(deployment)
    assert error.startswith("vault: its storage is already encrypted (with arn:aws:kms:")
    assert error.endswith("Remove it from `sources`: there is nothing to do.")


def test_an_unknown_key(deployment: Deployment) -> None:
    deployment.configure("replicate", kmsKey="alias/nobodys")
    error = refused(deployment)
    assert error.startswith(
        "kmsKey alias/nobodys: KMS in us-east-1 has no such key. Give the id, ARN or alias"
    )
    assert error.count("\n") == 0


def test_no_backups_and_a_default_parameter_group_are_one_sentence_each(deployment: Deployment) -> None:
    """With strategy `rename` the group would do: accounts are locked then."""
    deployment.configure("replicate", identifier="bare", cutover={"strategy": "none"})
    sentences = refused(deployment).splitlines()
    assert len(sentences) == 2
    assert "its backup retention period is 0, so RDS writes no binlog" in sentences[0]
    assert "parameter group default.mysql8.0 is AWS's default, which cannot be changed" in sentences[1]


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        ("cutover", "phase `cutover` needs an encrypted instance that replicates, and there is none"),
        ("rollback", "there is no cutover to roll back"),
        ("cleanup", "phase `cleanup` needs the cutover to be complete, and it is not"),
    ],
)
def test_a_phase_that_would_skip_another(deployment: Deployment, phase: str, sentence: str) -> None:
    deployment.configure(phase)
    error = refused(deployment)
    assert sentence in error
    assert error.count("\n") == 0


def test_a_secret_that_is_not_there(deployment: Deployment) -> None:
    deployment.configure("replicate", credentials={"secretId": "orders/nobodys"})
    error = refused(deployment)
    assert "secret orders/nobodys" in error
    assert error.count("\n") == 0


def test_a_secret_with_the_wrong_password(deployment: Deployment) -> None:
    vault = deployment.client("secretsmanager")
    vault.create_secret(
        Name="orders/wrong", SecretString=json.dumps({"username": "admin", "password": "not-the-Password1"})
    )
    deployment.configure("replicate", credentials={"secretId": "orders/wrong"})
    error = refused(deployment)
    assert "Access denied for user 'admin'" in error
    assert "not-the-Password1" not in error
    assert error.count("\n") == 0


def test_a_variable_that_holds_no_password(deployment: Deployment) -> None:
    deployment.configure("replicate", credentials={"environment": "NOBODYS_PASSWORD"})
    assert "the environment variable NOBODYS_PASSWORD holds no password" in refused(deployment)
