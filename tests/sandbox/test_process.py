"""A sandbox from outside: started, recorded, broken on purpose, stopped, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError

from dev.sandbox import Sandbox, SandboxError
from dev.sandbox.process import ROOT
from dev.sandbox.recorder import masked
from dev.sandbox.seed import seed
from tests.conformance.account import Account
from tests.waiting import until


def servers_under(directory: Path) -> list[int]:
    """The processes whose command line names a file under the directory."""
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{directory}/instances/" in command:
                pids.append(int(entry.name))
    return pids


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dev.sandbox", *arguments, "--directory", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)


def test_up_down_and_all_between(tmp_path: Path) -> None:
    try:
        up = run(tmp_path, "up", "--rows", "2000")
        assert up.returncode == 0, up.stdout + up.stderr
        assert "orders" in up.stdout
        again = run(tmp_path, "up")
        assert again.returncode == 0
        assert "runs already" in again.stdout
        assert "orders: available" in run(tmp_path, "status").stdout
        exports = run(tmp_path, "env").stdout
        assert f"export RDS_CA_BUNDLE={tmp_path}/ca.pem" in exports
        assert (tmp_path / "env.sh").read_text().startswith("export AWS_ENDPOINT_URL=http://127.0.0.1:")

        sandbox = Sandbox.find(tmp_path)
        assert sandbox is not None
        secret = sandbox.client("secretsmanager").get_secret_value(SecretId="orders/master")["SecretString"]
        orders = sandbox.client("rds").describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"][0]
        password = json.loads(secret)["password"]
        count = "(SELECT COUNT(*) FROM order_items)"
        assert Account.of(sandbox).value(orders["DbiResourceId"], count, password=password) > 1000
        assert password not in (tmp_path / "calls.jsonl").read_text()
        assert len(servers_under(tmp_path)) == 1
    finally:
        down = run(tmp_path, "down")
    assert down.returncode == 0
    assert servers_under(tmp_path) == []
    assert "No sandbox is running" in run(tmp_path, "down").stdout
    assert run(tmp_path, "status").returncode == 1


def test_nothing_is_left_after_a_kill_and_the_next_start(tmp_path: Path) -> None:
    killed = Sandbox.start(tmp_path)
    Account.of(killed).make("orphan")
    killed.faults.freeze("orphan")
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: Sandbox.find(tmp_path), lambda sandbox: sandbox is None)
    assert len(servers_under(tmp_path)) == 1, "the server outlives the sandbox …"
    with Sandbox.running(tmp_path) as afresh:
        assert servers_under(tmp_path) == [], "… but not its next start"
        assert afresh.client("rds").describe_db_instances()["DBInstances"] == []
        assert afresh.client("secretsmanager").list_secrets()["SecretList"] == []


def test_nothing_is_left_of_a_sandbox_that_is_killed_while_it_is_used(tmp_path: Path) -> None:
    with Sandbox.running(tmp_path) as killed:
        Account.of(killed).make("orphan")
        os.kill(killed.pid, signal.SIGKILL)
    assert servers_under(tmp_path) == []


def fail_in_the_block(directory: Path) -> None:
    with Sandbox.running(directory) as running:
        Account.of(running).begin("half-made")
        raise KeyError


def test_an_exception_in_the_block_stops_the_whole_tree(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        fail_in_the_block(tmp_path)
    assert servers_under(tmp_path) == []
    assert Sandbox.find(tmp_path) is None


def test_one_directory_holds_one_sandbox_and_two_have_two_networks(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="is running in"), Sandbox.running(sandbox.directory):
        pytest.fail("a second sandbox ran in the same directory")
    with Sandbox.running(tmp_path) as other:
        Account.of(other).begin("alone")
        Account.of(sandbox).begin("alone")
        networks = [address_of(running, "alone").split(".")[1] for running in (sandbox, other)]
    assert networks[0] != networks[1]
    sandbox.client("rds").delete_db_instance(DBInstanceIdentifier="alone", SkipFinalSnapshot=True)


def address_of(sandbox: Sandbox, identifier: str) -> str:
    return next(str(e["address"]) for e in sandbox.status()["instances"] if e["identifier"] == identifier)


def test_calls_are_recorded_without_secrets(sandbox: Sandbox) -> None:
    rds = sandbox.client("rds")
    with pytest.raises(ClientError):
        rds.modify_db_instance(DBInstanceIdentifier="nobody-at-all", MasterUserPassword="Not-To-Be-Seen")
    sandbox.client("secretsmanager").create_secret(Name="hidden", SecretString="Not-To-Be-Seen")
    sandbox.client("ssm").put_parameter(Name="hidden", Value="Not-To-Be-Seen", Type="SecureString")
    sandbox.client("kms").generate_random(NumberOfBytes=8)
    text = (sandbox.directory / "calls.jsonl").read_text()
    assert "Not-To-Be-Seen" not in text
    call = next(
        recorded
        for recorded in reversed(sandbox.calls())
        if recorded["parameters"].get("DBInstanceIdentifier") == "nobody-at-all"
    )
    assert call["action"] == "ModifyDBInstance"
    assert (call["service"], call["status"], call["error_code"]) == ("rds", 404, "DBInstanceNotFound")
    assert call["parameters"]["MasterUserPassword"] == "***"
    assert set(call) == {
        "time", "caller", "agent", "service", "action", "parameters", "status", "error_code", "ms"
    }  # fmt: skip
    assert "rds.amazonaws.com" not in (sandbox.directory / "server.log").read_text()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"SecretId": "a", "SecretString": "s"}, {"SecretId": "a", "SecretString": "***"}),
        ({"Plaintext": "s", "KeyId": "k"}, {"Plaintext": "***", "KeyId": "k"}),
        ({"Nested": [{"AuthToken": "s"}]}, {"Nested": [{"AuthToken": "***"}]}),
        ({"ManageMasterUserPassword": True}, {"ManageMasterUserPassword": True}),
    ],
)
def test_masking(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert masked(given) == expected


def test_throttling_errors_and_slowness_meet_the_calls_they_are_meant_for(sandbox: Sandbox) -> None:
    rds, kms = sandbox.client("rds"), sandbox.client("kms")
    sandbox.faults.throttle("DescribeDBInstances", count=2)
    for _ in range(2):
        with pytest.raises(ClientError, match="Throttling"):
            rds.describe_db_instances()
    rds.describe_db_instances()
    sandbox.faults.error(count=1, status=503)
    with pytest.raises(ClientError) as failed:
        rds.describe_db_snapshots()
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    sandbox.faults.throttle("ListKeys", service="kms")
    with pytest.raises(ClientError, match="ThrottlingException"):
        kms.list_keys()
    kms.list_keys()
    sandbox.faults.slow(400, "DescribeDBSnapshots")
    begun = time.monotonic()
    rds.describe_db_snapshots()
    assert time.monotonic() - begun >= 0.4
    sandbox.faults.throttle(count=5)
    sandbox.faults.clear()
    rds.describe_db_instances()


def test_a_killed_server_comes_back_and_a_frozen_one_is_thawed(sandbox: Sandbox) -> None:
    account = Account.of(sandbox)
    made = account.make("victim")
    resource_id, address = made["DbiResourceId"], made["Endpoint"]["Address"]
    account.rows(resource_id, "CREATE TABLE t (id INT PRIMARY KEY)")
    account.rows(resource_id, "INSERT INTO t VALUES (1)")
    sandbox.faults.kill("victim")

    def rows() -> list[dict[str, Any]]:
        try:
            return account.rows(resource_id, "SELECT * FROM t")
        except pymysql.err.OperationalError:
            return []

    assert rows() == []
    until(rows, lambda answer: answer == [{"id": 1}])
    sandbox.faults.freeze("victim")
    with pytest.raises(pymysql.err.OperationalError):
        pymysql.connect(host=address, user="admin", password="x", connect_timeout=1, read_timeout=1)
    assert account.status(resource_id) == "available"
    sandbox.faults.thaw("victim")
    assert rows() == [{"id": 1}]
    account.delete("victim")


@pytest.mark.parametrize("engine", ["8.0", "5.7"])
def test_the_seed_is_what_a_user_would_have(sandbox: Sandbox, engine: str) -> None:
    name = f"seeded-{engine.replace('.', '')}"
    made = seed(sandbox, engine=engine, rows=3000, identifier=name)
    assert made.rows >= 3000
    account = Account.of(sandbox)
    orders = account.available(made.resource_id)
    assert orders["DeletionProtection"]
    assert orders["EnabledCloudwatchLogsExports"] == ["error", "slowquery"]

    def ask(statement: str) -> list[dict[str, Any]]:
        return account.rows(made.resource_id, statement, password=made.master_password)

    until(lambda: ask("SELECT COUNT(*) AS n FROM heartbeats")[0]["n"], lambda beats: beats > 0)
    assert ask("SELECT @@binlog_format AS format, @@max_connections AS top")[0] == {
        "format": "ROW",
        "top": 200,
    }
    ask("CALL ship_order(1)")
    assert ask("SELECT new_status FROM order_changes")[0]["new_status"] == "shipped"
    assert ask("SELECT order_total(1) > 0 AS ok")[0]["ok"] == 1
    assert "🦊" in ask("SELECT GROUP_CONCAT(DISTINCT LEFT(name, 6)) AS names FROM customers")[0]["names"]
    with account.sql(made.address, made.application_password, made.application_user) as cursor:
        cursor.execute("INSERT INTO writes (token) VALUES ('by the application')")
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("DROP TABLE writes")
    with pytest.raises(SandboxError, match="can't be seeded"):
        seed(sandbox, engine=engine, rows=10, identifier=name)
    account.modify(name, DeletionProtection=False)
    account.delete(name)
