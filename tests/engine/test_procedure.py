"""The whole procedure on 8.0, in order: each test goes on where the one before it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.sandbox.plugin.resources import RESOURCES
from dev.workload.database import rows, value
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for
from rds_encrypt.reports.table import WORDS, summary
from rds_encrypt.settings_diff import ALLOWED
from tests.engine.checks import (
    MAY_DIFFER,
    beats,
    definitions,
    differing,
    require_equal_tables,
    require_fenced,
    require_one_event,
    secrets_in,
    unfolded,
)
from tests.engine.deployment import Deployment, driving

pytestmark = [pytest.mark.engine, pytest.mark.slow]

STEP = "pulumi-python:dynamic/rds"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("deployment"), hostile=True) as deployment:
        deployment.always["cutover"] = {"lagSteady": 5}
        yield deployment


@pytest.fixture(scope="module")
def source(deployment: Deployment) -> dict[str, Any]:
    """The description of the source from before the migration."""
    return deployment.instance("orders")


@pytest.fixture(scope="module")
def replication_passwords() -> list[str]:
    """Those that the migration made for itself, as far as MySQL reveals them."""
    return []


@pytest.fixture(scope="module")
def writer(deployment: Deployment) -> Writer:
    return Writer(
        deployment.address("orders"), deployment.application, deployment.seeded.database, connections=2
    )


def test_the_preview_of_replicate_names_the_moves(deployment: Deployment, source: dict[str, Any]) -> None:
    plan = deployment.preview()

    assert {str(row) for row in plan if "Stack" not in row.type} == {
        "pulumi:providers:pulumi-python worker-1 create",
        "rds-encrypt:index:Migration orders create",
        f"{STEP}:Preflight orders create",
        f"{STEP}:Claim orders create",
        f"{STEP}:GroupAccess orders create",
        f"{STEP}:BinlogRetention orders create",
        f"{STEP}:ReplicationUser orders create",
        "aws:rds:Instance orders-not-encrypted create",
        f"{STEP}:StoppedReplication orders create",
        "aws:rds:Snapshot orders-not-encrypted create",
        f"{STEP}:CopySlot orders create",
        "aws:rds:SnapshotCopy orders-encrypted create",
        "aws:rds:ParameterGroup orders-encrypted create",
        "aws:rds:Instance orders-encrypted create",
        f"{STEP}:DeletionGuard orders create",
        f"{STEP}:CandidateRetention orders create",
        f"{STEP}:ExternalReplication orders create",
        f"{STEP}:CatchUp orders create",
        f"{STEP}:Verification orders create",
        f"{STEP}:ResumedReplication orders create",
        "aws:rds:ParameterGroup orders-fence create",
    }
    # In the order of the runbook, which is the order in which they can be created.
    milestones = [
        "Claim orders",
        "Instance orders-not-encrypted",
        "StoppedReplication orders",
        "Snapshot orders-not-encrypted",
        "CopySlot orders",
        "SnapshotCopy orders-encrypted",
        "Instance orders-encrypted",
        "ExternalReplication orders",
        "CatchUp orders",
        "Verification orders",
        "ResumedReplication orders",
    ]
    shown = [f"{row.type.rpartition(':')[2]} {row.name}" for row in plan]
    assert [name for name in shown if name in milestones] == milestones


def test_the_preview_tells_the_plan_and_writes_it_down_for_a_pull_request(deployment: Deployment) -> None:
    printed, written = (
        deployment.printed[-1].output,
        deployment.files.path("plan.md").read_text(encoding="utf-8"),
    )

    # The terminal folds a move that is longer than its line: only what fits is looked for there.
    for words in ("create the replica orders-not-encrypted", "two snapshots of up to 20 GiB"):
        assert words in " ".join(printed.split())
        assert words in written
    assert "create the replica orders-not-encrypted (db.t3.medium, 20 GiB gp3)" in written
    assert printed.count("Moves, in this order:") == 1


def test_a_preview_touches_nothing(deployment: Deployment, source: dict[str, Any]) -> None:
    assert deployment.names() == {"orders"}
    assert not differing(source, deployment.instance("orders"), {"LatestRestorableTime"})


def test_replicate_ends_with_a_live_encrypted_replica(deployment: Deployment) -> None:
    deployment.up("replicate")

    assert deployment.names() == {"orders", "orders-not-encrypted", "orders-encrypted"}
    with deployment.connected("orders") as source:
        last = beats(source)[-1]
    with deployment.connected("orders-encrypted") as encrypted:
        beats(encrypted, at_least=last)


def test_replication_has_a_user_and_a_password_of_its_own(
    deployment: Deployment, replication_passwords: list[str]
) -> None:
    with deployment.connected("orders-encrypted") as encrypted:
        (channel,) = rows(encrypted, "SELECT User_name, User_password FROM mysql.slave_master_info")
    assert channel["User_name"] == "rds_encrypt_replication"
    assert len(channel["User_password"]) >= 24
    replication_passwords.append(channel["User_password"])


def test_the_aws_provider_knows_each_timeout_that_it_is_given(deployment: Deployment) -> None:
    """The engine warns about any other, at every run."""
    declared = {
        resource["urn"]: resource
        for resource in json.loads(deployment.export_state())["deployment"]["resources"]
    }
    given = {
        (resource["type"], operation)
        for resource in declared.values()
        if resource["type"] in RESOURCES
        for operation, seconds in (resource.get("customTimeouts") or {}).items()
        if seconds
    }
    assert ("aws:rds/snapshotCopy:SnapshotCopy", "create") in given
    assert not {
        (token, operation) for token, operation in given if operation not in RESOURCES[token].timeouts
    }


def test_after_replicate_nothing_is_left_to_do(deployment: Deployment) -> None:
    deployment.require_rest()


def test_steps_that_are_replaced_are_not_undone_afterwards(deployment: Deployment) -> None:
    replaced = ("Claim", "ReplicationUser", "DeletionGuard", "ExternalReplication")
    urns = [
        resource["urn"]
        for resource in deployment.workspace.resources()
        if resource["type"].rpartition(":")[2] in replaced
    ]
    assert len(urns) == len(replaced)
    options = [word for urn in urns for word in ("--replace", urn)]

    result = deployment.note(deployment.workspace.up("--skip-preview", *options))

    assert result.ok, result.output
    deployment.require_rest()


def test_the_encrypted_instance_is_like_the_source(deployment: Deployment, source: dict[str, Any]) -> None:
    assert set(ALLOWED) == MAY_DIFFER
    encrypted = deployment.instance("orders-encrypted")

    assert not differing(source, encrypted, MAY_DIFFER)
    assert encrypted["StorageEncrypted"] is True
    assert encrypted["KmsKeyId"] == deployment.seeded.key_arn


def test_the_source_differs_in_nothing_but_its_replica(
    deployment: Deployment, source: dict[str, Any]
) -> None:
    moments = {"LatestRestorableTime", "ReadReplicaDBInstanceIdentifiers"}
    assert not differing(source, deployment.instance("orders"), moments)


def test_the_encrypted_instance_is_held(deployment: Deployment) -> None:
    require_fenced(deployment, "orders-encrypted")
    with deployment.connected("orders-encrypted") as encrypted:
        assert value(encrypted, "SELECT @@GLOBAL.event_scheduler") == "OFF"


def test_the_preview_of_cutover_names_the_cut_over(deployment: Deployment) -> None:
    deployment.configure("cutover")
    plan = deployment.preview()

    assert [str(row) for row in plan if "Stack" not in row.type] == [
        f"{STEP}:Preflight orders update [diff: ~phase]",
        f"{STEP}:Cutover orders create",
        f"{STEP}:ProxyTargets orders create",
    ]


def test_the_preview_of_cutover_briefs_whoever_decides(deployment: Deployment) -> None:
    printed = deployment.printed[-1].output

    assert " FAIL " not in printed
    # What will happen, in which order, what it costs and how to come back.
    expected = [
        "Checks, as they are now:",
        "replication-lag: lag",
        "fence orders: read_only = 1",
        "promote orders-encrypted",
        "from here on, running again rolls forward",
        "rename orders to orders-old",
        "rename orders-encrypted to orders",
        "Expected write outage:",
        "Undo: phase `rollback`",
    ]
    assert [printed.find(words) for words in expected] == sorted(printed.find(words) for words in expected)
    assert all(words in printed for words in expected)


def test_cutover_loses_no_acknowledged_write(deployment: Deployment, writer: Writer) -> None:
    with writer.writing():
        assert writer.wait_for_write(0.0, 10.0), writer.errors
        deployment.up("cutover")
        before = len(writer.acknowledged)
        assert writer.wait_for_write(writer.acknowledged[-1].monotonic, 10.0), writer.errors

    with deployment.connected("orders") as connection:
        present = [row["token"] for row in rows(connection, f"SELECT token FROM {TABLE}")]
    accounting = account_for(writer.acknowledged, present)
    assert (accounting.lost, accounting.duplicates) == ((), ())
    assert accounting.acknowledged > before > 0


def test_cutover_shows_when_each_moment_was_and_writes_it_down(deployment: Deployment) -> None:
    printed, log, outputs = (
        deployment.printed[-1].output,
        deployment.files.read_json("cutover.json"),
        deployment.outputs(),
    )

    assert log is not None
    assert (log["outcome"], log["identifier"], log["earlier"]) == ("complete", "orders", [])
    assert log["moments"] == outputs["timeline"]
    assert log["write_outage"] == outputs["write_outage"]
    refused = outputs["write_outage"]
    assert 0 < refused["renames"] < refused["at_least"] <= refused["at_most"]
    assert refused["ours"] == pytest.approx(refused["at_most"] - refused["renames"], abs=0.01)
    # In the order of the clock, and of the protocol.
    moments = [moment for moment in Moment if moment in log["moments"]]
    assert list(log["moments"]) == sorted(moments, key=lambda moment: str(log["moments"][moment]))
    assert {str(moment) for moment in moments} == {
        str(moment) for moment in Moment if moment not in {"applications_moved", "fence_lifted"}
    }
    assert "Cutover of orders: complete" in printed
    assert [printed.find(WORDS[moment]) for moment in moments] == sorted(
        printed.find(WORDS[moment]) for moment in moments
    )
    assert summary(log) in printed
    assert "of which AWS's renames took" in summary(log)


def test_the_name_belongs_to_the_encrypted_instance(deployment: Deployment, source: dict[str, Any]) -> None:
    outputs, now = deployment.outputs(), deployment.instance("orders")

    assert now["DbiResourceId"] == outputs["encrypted_instance"] != source["DbiResourceId"]
    assert (now["StorageEncrypted"], now["KmsKeyId"]) == (True, deployment.seeded.key_arn)
    assert now["Endpoint"]["Address"] == source["Endpoint"]["Address"]
    assert deployment.instance("orders-old")["DbiResourceId"] == source["DbiResourceId"]
    with deployment.connected("orders", application=True) as connection:
        assert value(connection, "SELECT @@server_uuid") == outputs["server_uuid"]


def test_old_refuses_writes_and_follows(deployment: Deployment) -> None:
    require_fenced(deployment, "orders-old")
    assert deployment.outputs()["rollback_path"] == "open"


def test_every_table_is_equal_on_old_and_new_up_to_the_cut_over(deployment: Deployment) -> None:
    require_equal_tables(deployment, "orders-old", "orders")


def test_routines_triggers_views_and_accounts_are_equal_on_old_and_new(deployment: Deployment) -> None:
    with deployment.connected("orders-old") as old, deployment.connected("orders") as new:
        assert definitions(old) == definitions(new)


def test_the_event_runs_on_the_encrypted_instance_only(deployment: Deployment) -> None:
    require_one_event(deployment, "orders", "orders-old")


def test_after_cutover_nothing_is_left_to_do(deployment: Deployment) -> None:
    deployment.require_rest()


def test_a_client_that_still_uses_old_is_reported_and_keeps_cleanup_from_stopping_it(
    deployment: Deployment,
) -> None:
    user = deployment.seeded.application_user
    with deployment.connected("orders-old", application=True):
        refreshed = deployment.note(deployment.workspace.refresh("--skip-preview"))
        assert refreshed.ok, refreshed.output
        assert f"orders-old is still in use: {user} from 127.0.0.1 (1 session)" in unfolded(refreshed.output)
        deployment.up("cutover")
        (client,) = deployment.outputs()["old_clients"]
        assert (client["account"], client["host"], client["sessions"]) == (user, "127.0.0.1", 1)
        assert "Still connected to the old instance" in deployment.files.path("report.html").read_text(
            "utf-8"
        )

        deployment.configure("cleanup")
        plan = deployment.note(deployment.workspace.preview())
        assert plan.ok, plan.output
        assert f"applications are still connected to it: {user}" in unfolded(plan.output)
        refused = deployment.note(deployment.workspace.up("--skip-preview"))
        assert not refused.ok
        assert "accept the check `old-unused` with a reason. It was not touched." in unfolded(refused.output)
        assert deployment.instance("orders-old")["DBInstanceStatus"] == "available"
        assert "orders-not-encrypted" in deployment.names()

    deployment.configure("cutover")
    refreshed = deployment.note(deployment.workspace.refresh("--skip-preview"))
    assert refreshed.ok, refreshed.output
    deployment.up("cutover")
    assert deployment.outputs()["old_clients"] == []
    deployment.require_rest()


def test_the_preview_of_cleanup_names_what_goes_and_nothing_that_carries_production(
    deployment: Deployment,
) -> None:
    deployment.configure("cleanup")
    plan = [row for row in deployment.preview() if "Stack" not in row.type]

    assert {str(row) for row in plan if not row.action.startswith("delete")} == {
        f"{STEP}:Preflight orders update [diff: ~phase]",
        f"{STEP}:Retirement orders create",
    }
    gone = {f"{row.type} {row.name}" for row in plan if row.action.startswith("delete")}
    assert gone == {
        f"{STEP}:BinlogRetention orders",
        f"{STEP}:CandidateRetention orders",
        f"{STEP}:ReplicationUser orders",
        f"{STEP}:GroupAccess orders",
        f"{STEP}:StoppedReplication orders",
        f"{STEP}:CopySlot orders",
        f"{STEP}:ExternalReplication orders",
        f"{STEP}:CatchUp orders",
        f"{STEP}:Verification orders",
        f"{STEP}:ResumedReplication orders",
        "aws:rds:Instance orders-not-encrypted",
        "aws:rds:Snapshot orders-not-encrypted",
        "aws:rds:SnapshotCopy orders-encrypted",
        "aws:rds:ParameterGroup orders-encrypted",
        "aws:rds:ParameterGroup orders-fence",
    }


def test_the_preview_of_cleanup_says_that_it_ends_the_rollback_path(deployment: Deployment) -> None:
    printed = deployment.printed[-1].output

    assert "Plan for orders, phase `cleanup`" in printed
    assert "Undo: none, because this phase ends the rollback path" in printed
    # For reviewers of the two rows of parameter groups.
    assert "`delete[retain]` for orders-encrypted and orders-fence" in " ".join(printed.split())


def test_cleanup_leaves_the_encrypted_instance_and_a_stopped_old_one(deployment: Deployment) -> None:
    deployment.up("cleanup")

    assert deployment.names() == {"orders", "orders-old"}
    assert deployment.instance("orders-old")["DBInstanceStatus"] in {"stopping", "stopped"}
    outputs = deployment.outputs()
    assert outputs["old"] == "orders-old"
    assert outputs["automatic_snapshots_wanted"] == 7


def test_the_encrypted_instance_has_all_that_the_owner_had_set(
    deployment: Deployment, source: dict[str, Any]
) -> None:
    now = deployment.instance("orders")

    # The parameter group is the owner's own again, and in effect.
    assert not differing(source, now, MAY_DIFFER - {"DBParameterGroups", "Endpoint", "DBInstanceArn"})


def test_cleanup_leaves_nothing_of_the_migration_in_mysql(deployment: Deployment) -> None:
    with deployment.connected("orders") as connection:
        accounts = rows(connection, "SELECT user FROM mysql.user WHERE user LIKE 'rds_encrypt%%'")
        kept = value(
            connection, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
        )
        follows = rows(connection, "SHOW SLAVE STATUS")
    assert (accounts, kept, follows) == ([], None, [])


def test_after_cleanup_nothing_is_left_to_do(deployment: Deployment) -> None:
    deployment.require_rest()


def test_no_secret_is_in_the_state_or_in_anything_printed(
    deployment: Deployment, replication_passwords: list[str]
) -> None:
    vault = deployment.client("secretsmanager")
    texts = [
        vault.get_secret_value(SecretId=name)["SecretString"] for name in ("orders/master", "orders/app")
    ]
    passwords = [json.loads(text)["password"] for text in texts]
    places = (deployment.workspace.directory, deployment.files.directory)
    files = [path for place in places for path in Path(place).rglob("*") if path.is_file()]

    assert any(path.name.endswith(".json") for path in files)
    assert len({*passwords, *replication_passwords}) == 3
    assert not secrets_in(
        [*passwords, *replication_passwords], files, (result.output for result in deployment.printed)
    )
