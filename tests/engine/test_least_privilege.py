"""One run through all phases with no more than the docs ask for: their MySQL account, and calls that their policy allows.

It speaks to AWS with an access key of its own, so that its calls can be told apart from the test's, and is as verbose as it can be
made, so that what it writes can be searched for secrets.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dev.sandbox import Sandbox
from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import admin_session, execute, query
from dev.sandbox.seed import seed
from dev.workload.database import rows, value
from dev.workload.workspace import ROOT, Workspace
from rds_encrypt.journal import Tag
from rds_encrypt.rehearse.workspace import Result
from rds_encrypt.reports.files import DIRECTORY
from tests.engine.checks import require_fenced
from tests.engine.deployment import IDENTIFIER, ROWS, Deployment
from tests.engine.iam import MAIN, Policy, World, follow
from tests.engine.leaks import Processes, contents, leaks, watching_processes

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ENGINE = os.environ.get("ENGINE", "8.0")
"""The gate runs it on 8.0, `make test-long` on the others, too."""
CALLER = "AKIALEASTPRIVILEGE"
ACCOUNT = "orders/rds-encrypt"
TALKATIVE = ("--verbose=9", "--logtostderr")
RECORD = "db.orders.internal."
REPORTS = "reports"
SECRET_KEY = secrets.token_urlsafe(30)
SESSION_TOKEN = secrets.token_urlsafe(60)
GRANTS = ROOT / "rds_encrypt" / "policies" / "mysql-grants.sql"


NEVER_HERE = {("ChangeInstancesOfAMigration", "rds:RebootDBInstance")}
"""Where a rename has not put the parameter group into effect, a reboot does; in the sandbox it always has."""


@pytest.fixture(scope="module")
def password() -> str:
    """The password of the account in the docs; it has what a shell, SQL, JSON and URLs stumble over."""
    return f"x'\"`%s \\{secrets.token_hex(8)}/ä"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, password: str) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("least")
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox.running(directory / "sandbox"))
        seeded = seed(sandbox, engine=ENGINE, rows=ROWS, identifier=IDENTIFIER)
        settings = {
            **sandbox.settings(),
            "AWS_ACCESS_KEY_ID": CALLER,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": SESSION_TOKEN,
            DIRECTORY: str(directory / REPORTS),
        }
        workspace = Workspace(directory / "workspace", environment=settings)
        workspace.create()
        deployment = Deployment(sandbox, seeded, workspace)
        make_account(deployment, password)
        log_everything(deployment)
        yield deployment


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with watching_processes() as processes:
        yield processes


@pytest.fixture(scope="module")
def passwords(deployment: Deployment, password: str) -> dict[str, str]:
    """All secrets that must not be seen anywhere, by name; replication's are added as they come up."""
    return {
        "the account's password": password,
        "the master password": deployment.seeded.master_password,
        "the application's password": deployment.seeded.application_password,
        "AWS's secret key": SECRET_KEY,
        "AWS's session token": SESSION_TOKEN,
    }


def make_account(deployment: Deployment, password: str) -> None:
    """Run rds_encrypt/policies/mysql-grants.sql as the master user, as far as it is for this engine, and store the account as the docs say."""
    left_out = re.compile(rf"leave it out on .*{re.escape(ENGINE)}")
    lines = [line for line in GRANTS.read_text("utf-8").splitlines() if not left_out.search(line)]
    text = "\n".join(line.partition("-- ")[0] for line in lines)
    statements = [statement.strip() for statement in text.replace("--\n", "\n").split(";")]
    with deployment.connected(IDENTIFIER) as connection:
        for statement in filter(None, statements):
            rows(connection, statement.replace("'choose one'", connection.escape(password)))
    deployment.client("secretsmanager").create_secret(
        Name=ACCOUNT, SecretString=json.dumps({"username": "rds_encrypt", "password": password})
    )


def hosts(deployment: Deployment) -> Iterator[Path]:
    """Yield the directory of every server."""
    for instance in deployment.sandbox.status()["instances"]:
        if instance["directory"] and instance["status"] == "available":
            yield Path(instance["directory"])


def log_everything(deployment: Deployment) -> None:
    """Let the source's server log every statement."""
    for directory in hosts(deployment):
        with admin_session(directory, HostSecrets.of(directory / "data").admin) as session:
            execute(session, "SET GLOBAL log_output = 'FILE'")
            execute(session, "SET GLOBAL general_log_file = 'statements.log'")
            execute(session, "SET GLOBAL general_log = ON")


def note_replication_passwords(deployment: Deployment, passwords: dict[str, str]) -> None:
    for directory in hosts(deployment):
        with admin_session(directory, HostSecrets.of(directory / "data").admin) as session:
            for row in query(session, "SELECT User_name, User_password FROM mysql.slave_master_info"):
                if row["User_name"].startswith("rds_encrypt"):
                    passwords[f"{row['User_name']} {len(passwords)}"] = row["User_password"]


def drive(deployment: Deployment, phase: str, *options: str, **source: Any) -> None:
    """Go to a phase with the account of the docs."""
    deployment.configure(phase, credentials={"secretId": ACCOUNT}, **source)
    result = deployment.note(deployment.workspace.up("--skip-preview", *options))
    assert result.ok, result.output[-4000:]


def record(deployment: Deployment) -> dict[str, Any]:
    """Make the record that applications use, and return the settings of a cutover that moves it."""
    route53 = deployment.client("route53")
    zone = route53.create_hosted_zone(Name="orders.internal.", CallerReference="1")["HostedZone"]["Id"]
    target = {"Value": deployment.instance(IDENTIFIER)["Endpoint"]["Address"]}
    changed = {"Name": RECORD, "Type": "CNAME", "TTL": 5, "ResourceRecords": [target]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": changed}]}
    )
    dns = {"hostedZoneId": zone.rpartition("/")[2], "record": RECORD}
    return {"cutover": {"strategy": "dns", "dns": dns}}


def test_a_preview_may_look_around(deployment: Deployment, processes: Processes) -> None:
    rds = deployment.client("rds")
    rds.create_db_proxy(
        DBProxyName="pool",
        EngineFamily="MYSQL",
        RoleArn="arn:aws:iam::123456789012:role/pool",
        VpcSubnetIds=["subnet-1"],
    )
    rds.register_db_proxy_targets(DBProxyName="pool", DBInstanceIdentifiers=[IDENTIFIER])
    deployment.configure("replicate", credentials={"secretId": ACCOUNT})
    printed = deployment.note(deployment.workspace.preview()).output
    assert "RDS Proxy has it as a target: pool" in printed
    assert "not checked" not in printed


def target_of_pool(deployment: Deployment) -> list[str]:
    targets = deployment.client("rds").describe_db_proxy_targets(DBProxyName="pool")["Targets"]
    return [target["RdsResourceId"] for target in targets]


def test_replicate(deployment: Deployment, processes: Processes, passwords: dict[str, str]) -> None:
    drive(deployment, "replicate", *TALKATIVE)
    note_replication_passwords(deployment, passwords)
    assert deployment.names() == {"orders", "orders-not-encrypted", "orders-encrypted"}


def test_cutover_and_rollback_by_record(deployment: Deployment, passwords: dict[str, str]) -> None:
    by_record = record(deployment)
    drive(deployment, "cutover", **by_record)
    assert target_of_pool(deployment) == ["orders-encrypted"]
    note_replication_passwords(deployment, passwords)
    drive(deployment, "rollback", **by_record)
    assert target_of_pool(deployment) == ["orders"]
    assert deployment.names() == {"orders", "orders-not-encrypted", "orders-encrypted"}


def test_a_preview_a_refresh_and_a_cut_over_that_fails(deployment: Deployment) -> None:
    """For what they print, including differences and exceptions: all of it is searched below."""
    for verb in ("preview", "refresh"):
        result = deployment.note(deployment.workspace.run(verb, *_options(deployment, verb)))
        assert result.ok, result.output[-4000:]
    deployment.configure("cutover", credentials={"secretId": ACCOUNT})
    deployment.sandbox.faults.refuse("AccessDenied", "not authorized", action="AddTagsToResource", status=403)

    result = deployment.note(deployment.workspace.up("--skip-preview", *TALKATIVE))

    deployment.sandbox.faults.clear()
    assert not result.ok
    assert "AWS refused AddTagsToResource" in result.output


def _options(deployment: Deployment, verb: str) -> list[str]:
    shown = (
        ["--diff", "--show-config", "--show-reads", "--show-sames"]
        if verb == "preview"
        else ["--yes", "--diff"]
    )
    where = ["--stack", deployment.workspace.stack, "--config-file", str(deployment.workspace.config_file)]
    return [*shown, *TALKATIVE, *where]


def test_cutover_by_name(deployment: Deployment, passwords: dict[str, str]) -> None:
    # AWS does not say whether a target follows its instance: here it does, above it does not.
    deployment.sandbox.faults.proxies_follow()
    drive(deployment, "cutover", *TALKATIVE)
    assert target_of_pool(deployment) == ["orders"]
    note_replication_passwords(deployment, passwords)
    assert deployment.instance("orders")["StorageEncrypted"] is True
    require_fenced(deployment, "orders-old")


def test_the_source_has_written_down_no_secret(deployment: Deployment, passwords: dict[str, str]) -> None:
    """MySQL masks passwords in CREATE USER, but not in CALL, which RDS's procedure for a channel needs: once old follows, the
    password with which it does stands there.
    """
    others = {name: secret for name, secret in passwords.items() if "reverse" not in name}
    logs = sorted((deployment.sandbox.directory / "instances").rglob("statements.log"))
    assert any(b"rds_encrypt_replication" in log.read_bytes() for log in logs)
    assert leaks(others, contents(*logs)) == []


def test_the_account_could_do_nothing_else_on_production(deployment: Deployment, password: str) -> None:
    where = deployment.address("orders")
    connection = pymysql.connect(
        host=where.host,
        port=where.port,
        user="rds_encrypt",
        password=password.encode(),
        ssl_ca=str(where.authorities),
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        for statement in ("DELETE FROM shop.orders", "SET GLOBAL read_only = 0", "DROP DATABASE shop"):
            with pytest.raises(pymysql.err.MySQLError):
                cursor.execute(statement)


def test_cleanup_keeps_old_then_deletes_it(deployment: Deployment) -> None:
    drive(deployment, "cleanup")
    # A week later, when its backups are replaced.
    production = deployment.instance("orders")
    passed = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    deployment.client("rds").add_tags_to_resource(
        ResourceName=production["DBInstanceArn"], Tags=[{"Key": Tag.OPENED, "Value": passed}]
    )
    drive(deployment, "cleanup", cleanup={"old": "delete"})
    assert deployment.names() == {"orders"}


def test_destroy(deployment: Deployment) -> None:
    result = deployment.note(deployment.workspace.destroy("--skip-preview"))
    assert result.ok, result.output
    assert deployment.names() == {"orders"}
    with deployment.connected("orders", application=True) as connection:
        assert value(connection, "SELECT COUNT(*) FROM orders") > 0


def its_calls(deployment: Deployment) -> list[dict[str, Any]]:
    return [call for call in deployment.sandbox.calls() if call["caller"] == CALLER]


def followed(deployment: Deployment) -> tuple[Policy, list[str]]:
    """Return the policy with what it refused of our calls."""
    policy = Policy(MAIN)
    return policy, follow(policy, deployment.sandbox.calls(), CALLER)


def test_the_policy_allows_every_call(deployment: Deployment) -> None:
    assert len(its_calls(deployment)) > 200
    assert sorted(set(followed(deployment)[1])) == []


def test_the_policy_allows_nothing_that_was_not_needed(deployment: Deployment) -> None:
    assert followed(deployment)[0].unused == NEVER_HERE


@pytest.mark.parametrize("extra", ["DeleteDBSnapshot", "DeleteDBInstance", "ModifyDBInstance"])
def test_a_call_more_is_noticed(deployment: Deployment, extra: str) -> None:
    planted = {
        "service": "rds",
        "action": extra,
        "parameters": {"DBInstanceIdentifier": "billing", "DBSnapshotIdentifier": "billing-2026"},
        "status": 200,
    }
    calls, policy = its_calls(deployment)[:20], Policy(MAIN)
    without = policy.refused(calls, World())
    refused = policy.refused([*calls, planted], World())
    assert refused[: len(without)] == without
    planted_refusals = refused[len(without) :]
    assert planted_refusals
    assert all(refusal.startswith(f"{extra}: ") for refusal in planted_refusals)


def test_the_docs_name_every_call(deployment: Deployment) -> None:
    text = (ROOT / "docs" / "real-account.md").read_text("utf-8")
    permissions = text.partition("### Permissions")[2].partition("\n## ")[0]
    assert "iam-policy.json" in permissions
    differing = re.findall(r"^\| `([A-Za-z]+)`", permissions, re.MULTILINE)
    made = {call["action"] for call in its_calls(deployment)}
    assert set(differing) <= made


def searched(deployment: Deployment, processes: Processes) -> Iterator[tuple[str, bytes]]:
    """Yield everything that the run wrote, printed, sent to AWS, or showed on this machine."""
    yield from contents(
        deployment.workspace.directory,
        deployment.sandbox.directory / "calls.jsonl",
        deployment.files.directory,
    )
    yield from ((f"output {number}", one.output.encode()) for number, one in enumerate(deployment.printed))
    yield from processes.seen


def test_no_secret_is_left_anywhere(
    deployment: Deployment, processes: Processes, passwords: dict[str, str]
) -> None:
    assert len(passwords) >= 7, "replication's passwords were not found: nothing was looked for"
    things = list(searched(deployment, processes))
    places = {where for where, _ in things}
    assert any("pulumi" in where for where in places if where.startswith("the process"))
    assert any(where.endswith("dev.json") for where in places)
    for report in ("plan.md", "cutover.json", "report.html", "verification.json", "ownership-transfer.md"):
        assert any(where.endswith(f"{REPORTS}/orders-{report}") for where in places), report
    assert any('"level":"INFO"' in printed.output for printed in deployment.printed), (
        "it was not talkative at all"
    )

    assert leaks(passwords, things) == []


def test_a_planted_secret_is_noticed(deployment: Deployment, passwords: dict[str, str]) -> None:
    state = next(
        path
        for path in (deployment.workspace.directory / "state").rglob("*.json")
        if "Claim" in path.read_text()
    )
    as_it_was = state.read_text("utf-8")
    hidden = {"__provider": passwords["the master password"]}
    planted = as_it_was.replace('"owner"', f'"note": {json.dumps(json.dumps(hidden))}, "owner"', 1)

    assert leaks(passwords, [("state", as_it_was.encode())]) == []
    assert leaks(passwords, [("state", planted.encode())]) == ["the master password, plain, in state"]


@pytest.mark.parametrize("where", ["stack", "report", "output", "process"])
def test_what_is_planted_among_what_is_searched_is_noticed(
    deployment: Deployment, processes: Processes, passwords: dict[str, str], where: str
) -> None:
    """In each of the places where a run could leave one."""
    secret = passwords["AWS's session token"]
    file = {
        "stack": deployment.workspace.directory / "planted",
        "report": deployment.files.path("planted"),
    }.get(where)
    try:
        if file is not None:
            file.write_text(f"note: {secret}", encoding="utf-8")
        elif where == "output":
            deployment.printed.append(Result(("pulumi",), f"debug: {secret}", 0, 0.0))
        else:
            subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", secret], check=True)
        assert leaks(passwords, searched(deployment, processes))
    finally:
        if file is not None:
            file.unlink()
        elif where == "output":
            deployment.printed.pop()
