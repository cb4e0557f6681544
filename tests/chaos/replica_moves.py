"""Replicas take over names while something fails: `python -m tests.chaos.replica_moves`, or `make chaos-replicas`.

Each point moves the name of one replica, there or back, and interrupts the step at one call of AWS's API, or breaks or deletes one of the
two replicas; then the step runs again, as the next `pulumi up` would, until it succeeds. Meanwhile an application writes to the source,
which must not notice, and at the end of each point a reader of the name must see the newest write.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.client
import pymysql
import pytest

from dev.sandbox.seed import await_available
from dev.workload.database import rows, value
from providers import replica_names
from providers.replica_names import ReplicaNamesArgs, ReplicaNamesProvider
from providers.step import StepContext
from rds_encrypt.access import Access, AccessSettings
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.core.waiting import silent
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for, longest_gap
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

__all__ = ["KINDS", "Point", "Stage", "drawn", "run", "staged"]

READER = "orders-reader"
KINDS = (
    "kill before",
    "kill after",
    "throttle",
    "5xx",
    "the answer is lost",
    "crash of the taker",
    "crash of the giver",
    "the taker is deleted",
    "the giver is deleted",
)
_CALLS = {"ModifyDBInstance", "AddTagsToResource"}
_ATTEMPTS = 5
_GAP = 5.0
"""Seconds for which the application may go without a write on a busy machine; a rename of the source takes more."""
_PATIENCE = 60.0


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Point:
    """One interrupted move: to the encrypted replica, or back; the blow strikes at the n-th call that changes something."""

    number: int
    moved: bool
    kind: str
    call: int
    attempts: int = 0
    wrong: str = ""

    def __str__(self) -> str:
        where = "to the encrypted replica" if self.moved else "back"
        return f"{self.number:3} {where:25} {self.kind:20} at call {self.call}  {self.attempts} runs  {self.wrong}".rstrip()


@dataclass
class Stage:
    """A source with one replica, and its encrypted instance with the replica's counterpart."""

    deployment: Deployment
    writer: Writer
    original_id: str
    copy_id: str
    source_id: str
    encrypted_id: str

    def arguments(self, *, moved: bool) -> ReplicaNamesArgs:
        seeded = self.deployment.seeded
        return ReplicaNamesArgs(
            source_id=self.source_id,
            access=AccessSettings(secret_id=seeded.master_secret, ca_file=str(seeded.ca_bundle.resolve())),
            identifier="orders",
            replica=READER,
            original_id=self.original_id,
            replica_id=self.copy_id,
            encrypted_id=self.encrypted_id,
            moved=moved,
            hours=0.1,
        )

    def context(self, args: ReplicaNamesArgs) -> StepContext:
        aws = Aws(AwsSettings(region="us-east-1", attempts=2))
        return StepContext(aws, Access(aws, args.access), silent)

    def identity(self, name: str) -> str:
        return str(self.deployment.instance(name)["DbiResourceId"])

    def taker(self, point: Point) -> str:
        return self.copy_id if point.moved else self.original_id

    def giver(self, point: Point) -> str:
        return self.original_id if point.moved else self.copy_id

    def name_of(self, resource_id: str) -> str | None:
        """Return the present name; ``None`` if it was deleted."""
        listed = self.deployment.client("rds").describe_db_instances()["DBInstances"]
        return next(
            (
                instance["DBInstanceIdentifier"]
                for instance in listed
                if instance["DbiResourceId"] == resource_id
            ),
            None,
        )

    def delete(self, resource_id: str) -> None:
        """Delete a replica, as somebody would in the console, and wait until it is gone."""
        name = self.name_of(resource_id)
        assert name is not None
        self.deployment.client("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        until(lambda: self.name_of(resource_id) is None)

    def replace_deleted(self) -> None:
        """Make another replica for each one that was deleted, as the next `pulumi up`, or its owner, would."""
        rds = self.deployment.client("rds")
        for role, source, name in (
            ("original_id", "orders", f"{READER}-old"),
            ("copy_id", "orders-encrypted", f"{READER}-encrypted"),
        ):
            if self.name_of(getattr(self, role)) is not None:
                continue
            rds.create_db_instance_read_replica(
                DBInstanceIdentifier=name, SourceDBInstanceIdentifier=source, DBInstanceClass="db.t3.small"
            )
            await_available(rds, name)
            setattr(self, role, self.identity(name))


def drawn(seed: int, count: int) -> list[Point]:
    """Draw the points; there and back alternate, because the next one begins where this one ends."""
    dice = random.Random(seed)  # noqa: S311 - repeatable
    return [
        Point(number + 1, number % 2 == 0, KINDS[number % len(KINDS)], dice.randint(1, 3))
        for number in range(count)
    ]


def run(stage: Stage, point: Point) -> Point:
    """Run the step until it succeeds, and judge what came of it."""
    began, token = time.time(), f"point-{point.number}-{time.time_ns()}"
    with stage.deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = %s WHERE id = 1", token)
    with _struck(stage, point):
        _attempt(stage, point)
    if point.wrong.startswith("the blow"):
        return point
    stage.deployment.sandbox.faults.clear()
    if stage.name_of(stage.taker(point)) is None:
        stage.replace_deleted()
    while point.wrong and point.attempts < _ATTEMPTS:
        _attempt(stage, point)
    if not point.wrong:
        point.wrong = "; ".join(_judged(stage, point, token, began))
    stage.replace_deleted()
    return point


def _attempt(stage: Stage, point: Point) -> None:
    point.attempts += 1
    args = stage.arguments(moved=point.moved)
    try:
        ReplicaNamesProvider().perform(stage.context(args), args)
    except (MigrationError, Killed) as error:
        point.wrong = f"{type(error).__name__}: {error}"
    else:
        point.wrong = ""


def _judged(stage: Stage, point: Point, token: str, began: float) -> Iterator[str]:
    parked = f"{READER}-old" if point.moved else f"{READER}-encrypted"
    if stage.name_of(stage.taker(point)) != READER:
        yield f"{READER} is not the one that should have the name"
    if stage.name_of(stage.giver(point)) not in {parked, None if "deleted" in point.kind else parked}:
        yield f"{parked} is not the other one"
    if stage.identity("orders") != stage.source_id:
        yield "the source has lost its name"
    if not _reads(stage, READER, token):
        yield f"a reader of {READER} does not see the newest write"
    acknowledged = [write.wall for write in stage.writer.acknowledged if write.wall >= began]
    if (gap := longest_gap(acknowledged, began, time.time())).seconds > _GAP:
        yield f"the application went {gap.seconds:.1f} s without a write"


def _reads(stage: Stage, name: str, token: str) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        # One that has crashed is back soon.
        with (
            suppress(pymysql.err.MySQLError),
            stage.deployment.connected(name, application=True) as connection,
        ):
            if value(connection, "SELECT note FROM orders WHERE id = 1") == token:
                return True
        time.sleep(0.2)
    return False


@contextmanager
def _struck(stage: Stage, point: Point) -> Iterator[None]:
    """Let the blow fall during the first run."""
    faults, taker = stage.deployment.sandbox.faults, f"{READER}-encrypted" if point.moved else f"{READER}-old"
    match point.kind:
        case "throttle":
            faults.throttle("ModifyDBInstance", count=4 * point.call)
        case "5xx":
            faults.error("ModifyDBInstance", count=4 * point.call)
        case "crash of the taker":
            faults.kill(taker)
        case "crash of the giver":
            faults.kill(READER)
        case _:
            with pytest.MonkeyPatch.context() as patch:
                calls = _strike_at_call(patch, stage, point)
                yield
            if len(calls) < point.call:
                point.wrong = f"the blow never fell: the step made {len(calls)} calls"
            return
    yield


def _strike_at_call(patch: pytest.MonkeyPatch, stage: Stage, point: Point) -> list[str]:
    """Let the blow fall at the point's call; return the calls, which are counted from here on."""
    calls: list[str] = []
    ask = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def asked(client: Any, action: str, parameters: dict[str, Any]) -> Any:
        if action not in _CALLS:
            return ask(client, action, parameters)
        calls.append(action)
        made = len(calls)
        if made == point.call and point.kind == "kill before":
            raise Killed(f"before {action}")
        if made == point.call and point.kind == "the taker is deleted":
            stage.delete(stage.taker(point))
        if made == point.call and point.kind == "the giver is deleted":
            stage.delete(stage.giver(point))
        answer = ask(client, action, parameters)
        if made == point.call and point.kind == "kill after":
            raise Killed(f"after {action}")
        if made == point.call and point.kind == "the answer is lost":
            raise botocore.exceptions.ReadTimeoutError(endpoint_url="https://rds")
        return answer

    patch.setattr(botocore.client.BaseClient, "_make_api_call", asked)
    return calls


@contextmanager
def staged(directory: Path) -> Iterator[Stage]:
    """Bring a source with one replica into phase `replicate`, through the real CLI, with an application at work."""
    with driving(directory) as deployment, pytest.MonkeyPatch.context() as patch:
        for name, setting in deployment.sandbox.settings().items():
            patch.setenv(name, setting)
        patch.setattr(replica_names, "_HIDDEN", 10.0)  # no rename takes that long here
        rds = deployment.client("rds")
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=READER, SourceDBInstanceIdentifier="orders", DBInstanceClass="db.t3.small"
        )
        await_available(rds, READER)
        deployment.up("replicate", replicas="take")
        where, seeded = deployment.address("orders"), deployment.seeded
        writer = Writer(where, deployment.application, seeded.database)
        with writer.writing():
            yield Stage(
                deployment,
                writer,
                original_id=str(deployment.instance(READER)["DbiResourceId"]),
                copy_id=str(deployment.instance(f"{READER}-encrypted")["DbiResourceId"]),
                source_id=str(deployment.instance("orders")["DbiResourceId"]),
                encrypted_id=str(deployment.instance("orders-encrypted")["DbiResourceId"]),
            )
        with deployment.connected("orders") as connection:
            present = [str(row["token"]) for row in rows(connection, f"SELECT token FROM {TABLE}")]
        lost = account_for(writer.acknowledged, present)
        assert not lost.lost, f"the source lost {lost.lost} writes"


def main() -> int:
    """Run the points, print each, and return 1 if one went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.replica_moves", description=__doc__)
    parser.add_argument("--points", type=int, default=42, help="how many (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="decides where blows fall; printed"
    )
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="rds-chaos-") as directory, staged(Path(directory)) as stage:
        done = []
        for point in drawn(given.seed, given.points):
            done.append(run(stage, point))
            print(done[-1], flush=True)
    wrong = [point for point in done if point.wrong]
    print(
        f"seed {given.seed}: {len(done)} points, {len(wrong)} wrong, {len(stage.writer.acknowledged)} writes, 0 lost"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
