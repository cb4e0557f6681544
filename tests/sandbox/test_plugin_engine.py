"""The stand-in provider under the real engine, against the sandbox: the road's resources, from first preview to destroy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.sandbox import Sandbox

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a-good-Password1"
SOURCE = "plugin-src"
PROGRAM = """
import pulumi
import pulumi_aws as aws

config = pulumi.Config()
opts = pulumi.ResourceOptions
if config.get("phase") != "none":
    key = aws.kms.get_key(key_id="alias/aws/rds")
    group = aws.rds.ParameterGroup(
        "hold", name="plugin-hold", family="mysql8.0", description="hold",
        parameters=[
            {"name": "read_only", "value": "1"},
            {"name": "max_connections", "value": "90", "apply_method": "pending-reboot"},
        ],
        # Whoever uses the group in the end keeps it: RDS refuses to delete a group in use.
        opts=opts(retain_on_delete=True),
    )
    replica = aws.rds.Instance(
        "replica", identifier="plugin-replica", instance_class="db.t3.medium", replicate_source_db="plugin-src",
        skip_final_snapshot=True, tags={"step": "replica"}, opts=opts(ignore_changes=["replicateSourceDb"]),
    )
    snapshot = aws.rds.Snapshot(
        "snapshot", db_instance_identifier=replica.identifier, db_snapshot_identifier="plugin-snapshot"
    )
    copy = aws.rds.SnapshotCopy(
        "copy", source_db_snapshot_identifier=snapshot.db_snapshot_arn,
        target_db_snapshot_identifier="plugin-copy", kms_key_id=key.arn,
    )
    if config.get("phase") == "cutover":
        encrypted = aws.rds.Instance.get("encrypted", id=config.require("id"), opts=opts(depends_on=[copy]))
    else:
        encrypted = aws.rds.Instance(
            "encrypted", identifier="plugin-enc", instance_class="db.t3.medium",
            snapshot_identifier=copy.target_db_snapshot_identifier, storage_encrypted=True,
            backup_retention_period=1, parameter_group_name=group.name, skip_final_snapshot=True,
            opts=opts(retain_on_delete=True, ignore_changes=["identifier"]),
        )
    pulumi.export("id", encrypted.id)
    pulumi.export("identifier", encrypted.identifier)
    pulumi.export("encrypted", encrypted.storage_encrypted)
"""


class Stack:
    """A stack of its own, driven through the CLI."""

    def __init__(self, directory: Path, sandbox: Sandbox) -> None:
        self.directory = directory
        (directory / "Pulumi.yaml").write_text("name: plugin\nruntime: {name: python}\n", encoding="utf-8")
        (directory / "__main__.py").write_text(PROGRAM, encoding="utf-8")
        (directory / "state").mkdir()
        programs = [
            ROOT / "dev" / "sandbox" / "plugin" / "bin",
            ROOT / ".cache" / "bin",
            Path(sys.executable).parent,
        ]
        self.environment = {
            **os.environ,
            **sandbox.environment(),
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "PULUMI_HOME": str(directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }
        self.run("stack", "init", "dev")

    def run(self, *arguments: str) -> str:
        """Run the CLI and give all it printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.directory,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"pulumi {arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self) -> str:
        return self.run("up", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json"))
        return found

    def state(self, name: str) -> dict[str, Any]:
        resources = json.loads(self.run("stack", "export"))["deployment"]["resources"]
        return next(dict(each) for each in resources if each["urn"].endswith(f"::{name}"))


@pytest.fixture
def stack(tmp_path: Path, sandbox: Sandbox) -> Stack:
    if (
        shutil.which("pulumi", path=os.pathsep.join([str(ROOT / ".cache" / "bin"), os.environ["PATH"]]))
        is None
    ):
        pytest.fail("the Pulumi CLI is missing: run `make setup`")
    return Stack(tmp_path, sandbox)


@pytest.fixture
def source(sandbox: Sandbox) -> Iterator[str]:
    """An instance to start from; it and what was made of it go afterwards."""
    rds = sandbox.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=SOURCE,
        DBInstanceClass="db.t3.medium",
        Engine="mysql",
        EngineVersion="8.0.31",
        AllocatedStorage=20,
        MasterUsername="admin",
        MasterUserPassword=PASSWORD,
        BackupRetentionPeriod=1,
    )
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=SOURCE, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    yield SOURCE
    for name in names(sandbox) & {SOURCE, f"{SOURCE}-old", "plugin-enc", "plugin-replica"}:
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def names(sandbox: Sandbox) -> set[str]:
    """The instances that are there, but for those on their way out."""
    return {
        instance["DBInstanceIdentifier"]
        for instance in sandbox.client("rds").describe_db_instances()["DBInstances"]
        if instance["DBInstanceStatus"] != "deleting"
    }


def rename(sandbox: Sandbox, old: str, new: str) -> None:
    """Rename an instance and wait until it answers to its new name."""
    rds = sandbox.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=old, NewDBInstanceIdentifier=new, ApplyImmediately=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(
            instance["DBInstanceIdentifier"] == new and instance["DBInstanceStatus"] == "available"
            for instance in rds.describe_db_instances()["DBInstances"]
        ):
            return
        time.sleep(0.5)
    pytest.fail(f"{old} was not renamed to {new}")


def test_the_road_from_preview_to_destroy(stack: Stack, source: str, sandbox: Sandbox) -> None:
    assert "+ 6 to create" in stack.run("preview")
    stack.up()
    outputs = stack.outputs()
    assert outputs["encrypted"] is True
    assert outputs["id"].startswith("db-")

    # An unchanged program changes nothing, and nothing has drifted.
    stack.run("preview", "--expect-no-changes")
    stack.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.run("preview", "--expect-no-changes", "--refresh")
    assert stack.state("encrypted")["retainOnDelete"] is True

    # A swap of names outside, then the encrypted instance is relinquished: a plain read, no delete, no replacement.
    rename(sandbox, source, f"{source}-old")
    rename(sandbox, "plugin-enc", source)
    stack.run("config", "set", "phase", "cutover")
    stack.run("config", "set", "id", outputs["id"])
    relinquished = stack.run("preview")
    assert "delete" not in relinquished
    assert "replace" not in relinquished
    stack.up()
    assert stack.state("encrypted")["external"] is True
    assert stack.outputs()["identifier"] == source

    # What production runs on is not ours to destroy any more, under whatever name.
    stack.run("destroy", "--yes", "--skip-preview")
    assert {source, f"{source}-old"} <= names(sandbox)
    assert not names(sandbox) & {"plugin-replica", "plugin-enc"}


def test_a_program_that_the_sdk_would_not_take_is_refused_in_one_sentence(stack: Stack) -> None:
    (stack.directory / "__main__.py").write_text(
        "import pulumi_aws as aws\n"
        "aws.rds.Instance('x', identifier='Plugin-X', instance_class='db.t3.medium', engine='mysql')\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match="only lowercase alphanumeric characters and hyphens allowed"):
        stack.run("preview")
