"""`python -m tests.chaos.soak`: migrations back to back under write load; nothing may leak, be lost, or stay behind."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from dev.demo import inventory
from dev.sandbox import Sandbox
from dev.sandbox.seed import seed
from dev.workload.database import rows
from dev.workload.workspace import Workspace
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for
from tests.engine.deployment import Deployment

_REPORT = Path("build/soak.json")
_ROWS = 2_000
_WARM_UP = 2
"""Laps in which pools and caches may still grow."""
_MAY_GROW = {"descriptors": 0.8, "threads": 0.8, "megabytes": 3.0}
"""What the sandbox's own process may grow by per lap: less than a leak of one thing; its record of calls is kept in memory, too."""
_ENOUGH = 8
"""Laps after the warm-up from which growth can be told from what a lap happens to have open."""


@dataclass(frozen=True)
class Lap:
    """One migration, from seed to the deletion of both instances."""

    number: int
    seconds: float
    acknowledged: int
    lost: int
    twice: int
    left_behind: list[str]
    servers: int
    """MySQL servers of the sandbox that still run."""
    strangers: int
    """Processes of the CLI, or of its plugins, that still run."""
    descriptors: int
    threads: int
    megabytes: float
    """Of the sandbox's own process."""


def main() -> int:
    """Migrate until the time is over, print a line for each migration, and return 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="(%(default)s)")
    parser.add_argument("--engine", default="8.0", choices=("8.0", "5.7", "9.7"))
    parser.add_argument("--report", type=Path, default=_REPORT)
    given = parser.parse_args()
    laps: list[Lap] = []
    with tempfile.TemporaryDirectory(prefix="rds-soak-") as directory:
        for lap in soak(Path(directory), engine=given.engine, seconds=60 * given.minutes):
            laps.append(lap)
            print(_line(lap), flush=True)
    wrong = found_wrong(laps)
    given.report.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "engine_version": given.engine,
        "migrations": len(laps),
        "wrong": wrong,
        "laps": [asdict(lap) for lap in laps],
    }
    given.report.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(f"{summary(laps)}\n{len(wrong)} findings")
    print(*(f"  !! {text}" for text in wrong), sep="\n")
    return 1 if wrong else 0


def soak(directory: Path, *, engine: str, seconds: float) -> Iterator[Lap]:
    """Migrate one instance after the other on one sandbox, with one stack."""
    with Sandbox.running(directory / "sandbox") as sandbox:
        workspace = Workspace(directory / "workspace", environment=sandbox.settings())
        workspace.create()
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            number += 1
            yield _lap(sandbox, workspace, number, engine)


def _lap(sandbox: Sandbox, workspace: Workspace, number: int, engine: str) -> Lap:
    begun = time.monotonic()
    name = f"lap-{number}"
    deployment = Deployment(sandbox, seed(sandbox, engine=engine, rows=_ROWS, identifier=name), workspace)
    before = _inventory(deployment, name)
    writer = Writer(
        deployment.address(name), deployment.application, deployment.seeded.database, connections=2
    )
    with writer.writing():
        for phase in ("replicate", "cutover", "cleanup"):
            deployment.up(phase)
        assert writer.wait_for_write(time.monotonic(), 30.0), writer.errors
    deployment.destroy()
    with deployment.connected(name) as connection:
        accounting = account_for(
            writer.acknowledged, [row["token"] for row in rows(connection, f"SELECT token FROM {TABLE}")]
        )
    kept = {f"{name}-old", f"{name}-fence"}
    left_behind = inventory.left_behind(before, _inventory(deployment, name), kept)
    _delete(sandbox.client("rds"), [name, f"{name}-old"])
    _delete_groups(sandbox.client("rds"), name)
    return Lap(
        number=number,
        seconds=time.monotonic() - begun,
        acknowledged=accounting.acknowledged,
        lost=len(accounting.lost),
        twice=len(accounting.duplicates),
        left_behind=left_behind,
        servers=_processes(f"--defaults-file={sandbox.directory.resolve()}"),
        strangers=_processes(str(workspace.directory)),
        **_usage(sandbox.pid),
    )


def found_wrong(laps: list[Lap]) -> list[str]:
    """Return what was lost or left, and what grew from lap to lap."""
    wrong = []
    for lap in laps:
        if lap.lost or lap.twice:
            wrong.append(f"lap {lap.number}: {lap.lost} writes lost, {lap.twice} there twice")
        wrong += [f"lap {lap.number}: {name} is left" for name in lap.left_behind]
        if lap.servers or lap.strangers:
            wrong.append(f"lap {lap.number}: {lap.servers} servers and {lap.strangers} processes still run")
    settled = laps[_WARM_UP:]
    half = len(settled) // 2
    if len(settled) >= _ENOUGH:
        for what, may_grow in _MAY_GROW.items():
            # By halves, since what one lap happens to have open differs from that of the next.
            before = fmean(getattr(lap, what) for lap in settled[:half])
            grown = (fmean(getattr(lap, what) for lap in settled[-half:]) - before) / (len(settled) - half)
            if grown > may_grow:
                wrong.append(f"the sandbox has {grown:.1f} more {what} after each lap")
    return wrong


def summary(laps: list[Lap]) -> str:
    """Return what the laps came to: all that may have leaked, and what the sandbox held at the first and the last of them."""
    if not laps:
        return "no migration was done"
    first, last = laps[0], laps[-1]
    lost, twice, left = (
        sum(numbers)
        for numbers in zip(*((lap.lost, lap.twice, len(lap.left_behind)) for lap in laps), strict=True)
    )
    memory = f"memory {first.megabytes:.0f} → {last.megabytes:.0f} MB"
    lines = [
        f"{len(laps)} migrations in {sum(lap.seconds for lap in laps) / 60:.0f} min",
        f"{sum(lap.acknowledged for lap in laps):,} acknowledged writes, {lost} lost, {twice} twice",
        f"{left} things left behind, {last.servers} servers and {last.strangers} processes still running",
        f"file descriptors {first.descriptors} → {last.descriptors}, threads {first.threads} → {last.threads}, {memory}",
    ]
    if len(laps) < _WARM_UP + _ENOUGH:
        lines.append(f"too few for growth from lap to lap to be told: {_WARM_UP + _ENOUGH} are needed")
    return "\n".join(lines)


def _inventory(deployment: Deployment, name: str) -> inventory.Inventory:
    with deployment.connected(name) as connection:
        return inventory.take(deployment.client("rds"), deployment.client("ec2"), connection)


def _delete(rds: Any, names: list[str]) -> None:
    for name in names:
        instance = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        if instance["DeletionProtection"]:
            if instance["DBInstanceStatus"] == "stopped":  # RDS modifies no stopped instance
                rds.start_db_instance(DBInstanceIdentifier=name)
                rds.get_waiter("db_instance_available").wait(
                    DBInstanceIdentifier=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
                )
            rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    deadline = time.monotonic() + 120
    left = set(names)
    while left and time.monotonic() < deadline:
        for instance in rds.describe_db_instances()["DBInstances"]:
            ready = (
                instance["DBInstanceStatus"] in {"available", "stopped"}
                and not instance["DeletionProtection"]
            )
            if instance["DBInstanceIdentifier"] in left and ready:
                rds.delete_db_instance(
                    DBInstanceIdentifier=instance["DBInstanceIdentifier"], SkipFinalSnapshot=True
                )
        left &= {instance["DBInstanceIdentifier"] for instance in rds.describe_db_instances()["DBInstances"]}
        time.sleep(0.5)
    assert not left, f"{left} could not be deleted"


def _delete_groups(rds: Any, name: str) -> None:
    """Delete the groups that carry the name, which no instance uses any more: an hour of laps meets the account's quotas."""
    for group in rds.describe_option_groups()["OptionGroupsList"]:
        if group["OptionGroupName"].startswith(f"{name}-"):
            rds.delete_option_group(OptionGroupName=group["OptionGroupName"])
    for group in rds.describe_db_parameter_groups()["DBParameterGroups"]:
        if group["DBParameterGroupName"].startswith(f"{name}-"):
            rds.delete_db_parameter_group(DBParameterGroupName=group["DBParameterGroupName"])


def _processes(mark: str) -> int:
    """How many processes were started with these words on their command line, or in their environment."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if int(entry.name) == _self():
                continue
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            count += mark.encode() in words
    return count


def _self() -> int:
    return int(Path("/proc/self").resolve().name)


def _usage(pid: int) -> dict[str, Any]:
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
        if ":\t" in line
    )
    return {
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": int(status["Threads"]),
        "megabytes": int(status["VmRSS"].split()[0]) / 1024,
    }


def _line(lap: Lap) -> str:
    return (
        f"lap {lap.number:3}: {lap.seconds:5.1f} s, {lap.acknowledged:6} writes, {lap.lost} lost, {lap.twice} twice,"
        f" {len(lap.left_behind)} left, {lap.descriptors} descriptors, {lap.threads} threads, {lap.megabytes:.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
