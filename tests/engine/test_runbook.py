"""docs/runbook.md at three in the morning: its commands by hand, as they stand there, when Pulumi is not at hand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dev.workload.database import rows, value
from dev.workload.workspace import Workspace
from rds_encrypt.journal import Tag
from tests.engine import aws_cli
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
_PATIENCE = 60.0
_GROUP = "orders-mysql80"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("runbook")) as deployment:
        yield deployment


LOOK = "### 1. Look"
LIFT = "### 2. The names have not begun to move: lift the fence"
END = "### 3. The names have begun to move: end it"
HOLD = "## Hold the cutover, then let it go"
BROKEN = "## Replication is broken"


def by_hand(deployment: Deployment, heading: str, *, block: int = 0) -> list[Any]:
    """Run the AWS commands of a part of the page, each when AWS is ready for it; return the answers."""
    return [in_time(deployment, command) for command in commands(heading, block=block)]


def commands(heading: str, *, language: str = "console", block: int = 0) -> list[str]:
    """Return the commands of a block below a heading."""
    part = PAGE.read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1]
    text = re.findall(rf"^```{language}\n(.*?)^```", part, re.DOTALL | re.MULTILINE)[block]
    if language == "sql":
        return [statement.strip() for statement in text.split(";") if statement.strip()]
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def in_time(deployment: Deployment, command: str) -> Any:
    """Run a command when AWS is ready for it: a person waits and types it again."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return aws_cli.run(command, deployment.client)
        except Exception as error:
            if "InvalidDBInstanceState" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def writes(deployment: Deployment, identifier: str = "orders") -> bool:
    """Whether the application may write there."""
    try:
        with deployment.connected(identifier, application=True) as connection:
            rows(connection, "UPDATE orders SET note = 'by hand' WHERE id = 1")
    except pymysql.err.MySQLError:
        return False
    return True


def by_name(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return all instances; in the middle of a rename one is not found by its name, but listed."""
    instances = deployment.client("rds").describe_db_instances()["DBInstances"]
    return {instance["DBInstanceIdentifier"]: instance for instance in instances}


def has_tag(deployment: Deployment, identifier: str, key: str) -> bool:
    instance = by_name(deployment).get(identifier, {})
    return any(tag["Key"] == key for tag in instance.get("TagList", []))


def test_a_fence_that_a_dead_run_left_is_lifted_by_hand(deployment: Deployment) -> None:
    deployment.up("replicate")
    deployment.killed_behind_the_fence(lambda: has_tag(deployment, "orders-encrypted", Tag.PROMOTED_AT))
    assert not writes(deployment)
    (instances,) = by_hand(deployment, LOOK)
    tags = {name: {tag["Key"]: tag["Value"] for tag in tags} for name, _, _, tags in instances}
    assert tags["orders"][Tag.FENCE_BEFORE] == "default"
    assert Tag.CUTOVER_BEGAN not in tags["orders-encrypted"]

    by_hand(deployment, LIFT)

    until(lambda: writes(deployment))
    # The same where the group had a value of its own.
    by_hand(deployment, LIFT, block=1)
    by_hand(deployment, LIFT)
    with deployment.connected("orders") as connection:
        (check,) = commands(LIFT, language="sql")
        assert [list(row.values()) for row in rows(connection, check)] == [[0]]


def test_the_next_run_puts_that_right_and_what_it_leaves_half_done_is_ended_by_hand(
    deployment: Deployment,
) -> None:
    # The first call of a rename is refused until the run is dead, so that both renames are left to do.
    deployment.sandbox.faults.throttle("ModifyDBInstance", count=10_000)
    deployment.killed_up(
        "cutover", "postponed", lambda: released_and_moving(deployment), cutover={"postpone": True}
    )
    deployment.sandbox.faults.clear()
    assert not writes(deployment)
    first, second, *rest = commands(END)
    in_time(deployment, first)
    until(lambda: settled(deployment, "orders-old", "orders-fence"))
    in_time(deployment, second)
    until(lambda: settled(deployment, "orders", _GROUP))

    for command in rest:
        in_time(deployment, command)

    until(lambda: writes(deployment))
    assert not writes(deployment, "orders-old")
    (check,) = commands(END, language="sql")
    with deployment.connected("orders") as connection:
        assert [list(row.values()) for row in rows(connection, check)] == [
            [deployment.tags("orders")[Tag.SERVER], 0]
        ]
    assert deployment.instance("orders")["StorageEncrypted"] is True


def released_and_moving(deployment: Deployment) -> bool:
    """Release the cutover as the page says, and wait until the names begin to move."""
    if not has_tag(deployment, "orders", Tag.RELEASE) and "orders" in by_name(deployment):
        arn, _ = by_hand(deployment, HOLD)
        assert arn == deployment.instance("orders")["DBInstanceArn"]
    return has_tag(deployment, "orders-encrypted", Tag.CUTOVER_BEGAN)


def settled(deployment: Deployment, identifier: str, group: str) -> bool:
    """Whether an instance of that name is available and runs with that group in effect."""
    instance = by_name(deployment).get(identifier)
    if instance is None or instance["DBInstanceStatus"] != "available":
        return False
    (group_status,) = instance["DBParameterGroups"]
    return (group_status["DBParameterGroupName"], group_status["ParameterApplyStatus"]) == (group, "in-sync")


def test_the_run_after_that_confirms_and_opens_the_rollback_path(deployment: Deployment) -> None:
    deployment.up("cutover", cutover={"postpone": True})

    assert has_tag(deployment, "orders", Tag.OPENED)
    with deployment.connected("orders", application=True) as connection:
        assert value(connection, "SELECT @@server_uuid") == deployment.outputs()["server_uuid"]
    with deployment.connected("orders-old") as connection:
        (status,) = rows(connection, *commands(BROKEN, language="sql"))
    assert status["Replica_IO_Running"] == "Yes"
    deployment.require_rest()


def test_a_state_that_cannot_be_loaded_is_whole(tmp_path: Path) -> None:
    (remove, _) = commands("### It is there, but cannot be loaded")
    (tmp_path / "Pulumi.yaml").write_text("name: rds-encrypt\nruntime: python\n", "utf-8")
    (tmp_path / "state").mkdir()
    settings = Workspace(tmp_path / "elsewhere", environment={}).settings

    def pulumi(*words: str, options: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            **settings,
            "PULUMI_BACKEND_URL": f"{(tmp_path / 'state').as_uri()}{options}",
        }
        return subprocess.run(
            ["pulumi", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    assert pulumi("stack", "init", "production").returncode == 0
    (attributes,) = (tmp_path / "state").rglob("production.json.attrs")
    attributes.write_text("")
    assert "failed to load checkpoint: EOF" in pulumi("stack", "export").stderr

    subprocess.run(shlex.split(remove), cwd=tmp_path, check=True)

    assert pulumi("stack", "export").returncode == 0
    # As the sandbox and the demo have it, nothing is written that could be cut short.
    assert pulumi("stack", "init", "staging", options="?metadata=skip").returncode == 0
    assert list((tmp_path / "state").rglob("staging.json")) != []
    assert list((tmp_path / "state").rglob("staging.json.attrs")) == []
    assert settings["PULUMI_BACKEND_URL"].endswith("?metadata=skip")
