"""What a preview, and the command beside it, find out about a source; with nothing touched."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import admin_session, execute
from dev.workload.workspace import ROOT
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.check import Severity
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.existing import look_up
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import connected
from rds_encrypt.scan.__main__ import main
from rds_encrypt.scan.candidates import candidates
from rds_encrypt.settings import CredentialSettings, SourceSettings
from tests.engine.checks import unfolded
from tests.engine.deployment import Deployment, driving
from tests.unit.policy_packages import packages

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READING = ("Describe", "Get", "List", "GET ")
MASTER = CredentialSettings(secret_id="orders/master")
GONE = Credentials("gone", "a-good-Password1")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("preflight")) as deployment:
        point_at_it(deployment)
        define(deployment)
        yield deployment


def point_at_it(deployment: Deployment) -> None:
    """Let a subscription, a proxy, a DMS endpoint and an alarm name the source."""
    rds = deployment.client("rds")
    rds.create_event_subscription(
        SubscriptionName="pager",
        SnsTopicArn="arn:aws:sns:us-east-1:123456789012:pager",
        SourceType="db-instance",
        SourceIds=["orders"],
    )
    rds.create_db_proxy(
        DBProxyName="pool",
        EngineFamily="MYSQL",
        RoleArn="arn:aws:iam::123456789012:role/pool",
        VpcSubnetIds=["subnet-1"],
    )
    rds.register_db_proxy_targets(DBProxyName="pool", DBInstanceIdentifiers=["orders"])
    login = {
        "Effect": "Allow",
        "Action": "rds-db:connect",
        "Resource": f"arn:aws:rds-db:us-east-1:123456789012:dbuser:{deployment.seeded.resource_id}/app",
    }
    iam = deployment.client("iam")
    iam.create_user(UserName="reader")
    iam.put_user_policy(
        UserName="reader",
        PolicyName="login",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": login}),
    )
    iam.create_policy(
        PolicyName="logins",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [login]}),
    )
    deployment.client("dms").create_endpoint(
        EndpointIdentifier="lake",
        EndpointType="source",
        EngineName="mysql",
        ServerName=deployment.seeded.address,
        Port=3306,
    )
    deployment.client("events").put_rule(
        Name="page", EventPattern=json.dumps({"detail": {"SourceIdentifier": ["orders"]}})
    )
    deployment.client("cloudwatch").put_metric_alarm(
        AlarmName="orders-cpu",
        Namespace="AWS/RDS",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "orders"}],
        Period=60,
        EvaluationPeriods=1,
        Threshold=90,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Average",
    )


def define(deployment: Deployment) -> None:
    """Make a table without a key, and a view whose definer is dropped, as only RDS itself still can."""
    with deployment.connected("orders") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE keyless (a INT)")
        cursor.execute("CREATE USER gone@'%%' IDENTIFIED BY %s REQUIRE SSL", (GONE.password,))
        cursor.execute("GRANT ALL ON shop.* TO gone@'%'")
    with (
        connected(deployment.address("orders"), GONE, database="shop") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE VIEW orphan AS SELECT 1 AS a")
    host = Path(next(instance["directory"] for instance in deployment.sandbox.status()["instances"]))
    with admin_session(host, HostSecrets.of(host / "data").admin) as session:
        execute(session, "DROP USER gone@'%'")


@pytest.fixture(autouse=True)
def _nothing_is_touched(deployment: Deployment) -> Iterator[None]:
    before = len(deployment.sandbox.calls())
    yield
    asked = {call["action"] for call in deployment.sandbox.calls()[before:]}
    planted = {
        "CreateIntegration",
        "CreateDBSnapshot",
        "CreateDBParameterGroup",
        "DeleteDBSnapshot",
        "DeleteDBParameterGroup",
    }
    assert {action for action in asked if not action.startswith(READING)} - planted == set()


def preflight_section(deployment: Deployment) -> str:
    """Preview, and return what is below the heading of Preflight, its lines joined."""
    deployment.configure("replicate")
    result = deployment.note(deployment.workspace.preview())
    assert result.ok, result.output
    diagnostics = result.output.partition("Diagnostics:")[2]
    under_it = diagnostics.partition("Preflight (orders):")[2].partition("\n\n")[0]
    assert all(len(line) <= 80 for line in under_it.splitlines()), under_it
    return " ".join(under_it.split())


@pytest.fixture(scope="module")
def said(deployment: Deployment) -> str:
    return preflight_section(deployment)


@pytest.mark.parametrize(
    "warning",
    [
        "orders: IAM database authentication is on. Policies with `rds-db:connect`",
        "orders: RDS Proxy has it as a target: pool.",
        "orders: DMS endpoints read from it: lake.",
        "orders: it has 1 table without a primary key: shop.keyless.",
        "orders: it has 1 definition whose definer does not exist: view shop.orphan (gone@%).",
    ],
)
def test_what_somebody_should_act_on_is_a_warning(said: str, warning: str) -> None:
    assert f"warning: {warning}" in said


def test_the_policies_that_logins_need_are_named(said: str) -> None:
    assert "the id in the output `encrypted_instance`: policy logins; user reader, policy login." in said


@pytest.mark.parametrize(
    "note",
    [
        "deletion protection is on.",
        "event subscriptions name it: pager. They follow the name",
        "EventBridge rules name it: page. They follow the name",
        "CloudWatch alarms name it: orders-cpu. They follow the name",
        "it has 1 enabled event: shop.heartbeat.",
        "the caller's permissions were not simulated.",
    ],
)
def test_what_is_good_to_know_is_a_note(said: str, note: str) -> None:
    assert f"- orders: {note}" in said


def test_a_comment_on_a_pull_request_has_the_findings_too(deployment: Deployment, said: str) -> None:
    written = deployment.files.path("findings.md").read_text(encoding="utf-8")
    assert written.count("**Warning**: orders: ") == said.count("warning: ") == 5
    assert "**Blocking**" not in written
    for line in written.splitlines():
        if line.startswith("- "):
            assert line.partition(": " if "**" in line else " ")[2] in said


def test_nothing_else_is_said(said: str) -> None:
    assert said.count("warning: ") == 5, said
    assert "not checked" not in said


def test_what_the_caller_may_not_see_is_said_and_stops_nothing(deployment: Deployment) -> None:
    for action, service in (
        ("DescribeDBProxies", "rds"),
        ("DescribeAlarms", "monitoring"),
        ("DescribeAccountAttributes", "rds"),
    ):
        deployment.sandbox.faults.refuse(
            "AccessDenied", "not authorized", action=action, status=403, service=service
        )
    output = preflight_section(deployment)
    assert "not checked: quotas (not allowed: DescribeAccountAttributes)" in output
    assert "proxies (not allowed: DescribeDBProxies)" in output
    assert "alarms (not allowed: DescribeAlarms)" in output
    assert "shop.keyless" in output


def test_the_program_asks_for_everything_at_once(deployment: Deployment, aws: Aws) -> None:
    """On AWS an answer takes a while: one after the other, those for ten sources would take many seconds."""
    deployment.sandbox.faults.slow(500, "*", count=20)
    began = time.monotonic()
    (existing,) = look_up(aws, [SourceSettings("orders", MASTER, kms_key="alias/orders")])
    took = time.monotonic() - began
    deployment.sandbox.faults.clear()
    # Which group the source has is known from the topology, and what is set in it is asked for then; its family's parameters come in
    # four pages, one after the other. Beside those, everything is asked for at once.
    assert 1.0 <= took < 6.0, took
    assert existing.topology.source is not None
    assert existing.topology.source.identifier == "orders"
    assert existing.key.arn == deployment.seeded.key_arn
    assert existing.group is not None
    assert (existing.group.family, existing.group.values["event_scheduler"][0]) == ("mysql8.0", "ON")
    assert (existing.snapshots, existing.groups) == ({}, {"orders-encrypted": None, "orders-fence": None})


def test_of_several_sources_that_are_wrong_the_first_is_named(aws: Aws) -> None:
    wrong = [
        SourceSettings("nobody", MASTER, kms_key="alias/orders"),
        SourceSettings("orders", MASTER, kms_key="alias/nobodys"),
    ]
    with pytest.raises(PreconditionFailed, match="no DB instance of this name"):
        look_up(aws, wrong)
    with pytest.raises(PreconditionFailed, match="KMS in us-east-1 has no such key"):
        look_up(aws, wrong[::-1])


def test_a_policy_pack_has_its_say_in_the_preview(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real engine starts the pack, and asks it about what the preview declares."""
    monkeypatch.setenv("PYTHONPATH", str(packages()))
    settings = deployment.workspace.directory / "policy.json"
    demanded = {
        "demanded": deployment.seeded.key_arn,
        "another": deployment.seeded.key_arn.replace(":key/", ":key/other-"),
    }
    results = {}
    for key, arn in demanded.items():
        settings.write_text(json.dumps({"key-of-your-own": {"keys": [arn]}}), encoding="utf-8")
        results[key] = deployment.note(
            deployment.workspace.preview(
                "--policy-pack",
                str(ROOT / "examples" / "policy-pack" / "start"),
                "--policy-pack-config",
                str(settings),
            )
        )
    assert results["demanded"].ok, results["demanded"].output
    assert "rds-encryption" in results["demanded"].output
    refused = results["another"]
    assert not refused.ok
    assert "[mandatory]  key-of-your-own  (aws:rds:SnapshotCopy: orders-encrypted)" in refused.output
    assert "is none of the keys that are allowed" in " ".join(refused.output.split())
    assert "[mandatory]  storage-is-encrypted" not in refused.output


@pytest.fixture
def taken(deployment: Deployment) -> Iterator[None]:
    """A snapshot and a parameter group of somebody else have names that the migration needs, and a quota is used up."""
    rds = deployment.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier="orders", DBSnapshotIdentifier="orders-encrypted")
    rds.get_waiter("db_snapshot_available").wait(
        DBSnapshotIdentifier="orders-encrypted", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    rds.create_db_parameter_group(
        DBParameterGroupName="orders-fence", DBParameterGroupFamily="mysql8.0", Description="somebody's"
    )
    deployment.sandbox.faults.quota("DBInstances", 2)
    yield
    deployment.sandbox.faults.quota("DBInstances", 40)
    rds.delete_db_parameter_group(DBParameterGroupName="orders-fence")
    rds.delete_db_snapshot(DBSnapshotIdentifier="orders-encrypted")


def test_names_that_are_taken_and_quotas_fail_the_preview(deployment: Deployment, taken: None) -> None:
    deployment.configure("replicate")
    result = deployment.note(deployment.workspace.preview())
    assert not result.ok
    assert (
        "orders-encrypted: a snapshot with this name exists, but not from this migration of orders"
        in result.output
    )
    assert "orders-fence: a parameter group with this name exists" in result.output
    assert "the account may have 2 DB instances and has 1, but this source needs 2 more" in result.output
    written = deployment.files.path("findings.md").read_text(encoding="utf-8")
    assert written.count("**Blocking**") == 3
    assert "Traceback" not in result.output


@pytest.fixture
def aws(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in deployment.sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return Aws(AwsSettings(region="us-east-1"))


def test_the_command_finds_the_same(deployment: Deployment, aws: Aws, taken: None) -> None:
    unencrypted = candidates(aws)
    assert [candidate.identifier for candidate in unencrypted] == ["orders"]
    assert len(unencrypted[0].blocking) == 3
    assert any("pool" in str(warning) for warning in unencrypted[0].of(Severity.WARNING))


def test_the_command_writes_a_config_that_works(
    deployment: Deployment, aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    arguments: list[Any] = ["--region", "us-east-1", "--write", str(file), "--kms-key", "alias/orders"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "orders    8.0.31" in printed.out
    assert "3 warnings" in printed.out
    written = file.read_text(encoding="utf-8")

    salt = deployment.workspace.config_file.read_text(encoding="utf-8").partition("\n")[0]
    trusted = written.replace(
        "credentials:", f"caFile: {deployment.seeded.ca_bundle.resolve()}\n      credentials:"
    )
    deployment.workspace.config_file.write_text(f"{salt}\n{trusted}", encoding="utf-8")
    assert deployment.note(deployment.workspace.preview()).ok, deployment.printed[-1].output

    assert main(arguments) == 2
    assert "this file exists" in capsys.readouterr().err


def test_a_name_that_is_nobodys_is_refused(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--region", "us-east-1", "oders"]) == 2
    assert "oders: no unencrypted MySQL instance" in capsys.readouterr().err


def test_an_integration_stops_the_migration_unless_the_config_accepts_it(deployment: Deployment) -> None:
    deployment.client("rds").create_integration(
        IntegrationName="lake",
        SourceArn=deployment.instance("orders")["DBInstanceArn"],
        TargetArn="arn:aws:redshift-serverless:us-east-1:123456789012:namespace/lake",
    )
    what = "orders: zero-ETL integrations read from it: lake."
    deployment.configure("replicate")
    refused = deployment.note(deployment.workspace.preview())
    assert not refused.ok
    assert what in unfolded(refused.output)
    deployment.configure("replicate", accept={"integrations": "the lake keeps the old one"})
    accepted = deployment.note(deployment.workspace.preview())
    assert accepted.ok, accepted.output
    assert f"warning: {what}" in unfolded(accepted.output)
    assert "You accept this: the lake keeps the old one." in unfolded(accepted.output)
