"""Where trials take place: a sandbox in phase `replicate`, its two instances by identity, and a bystander beside them."""

from __future__ import annotations

import json
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dev.bench.names import Record, make_record
from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import AdminSession, admin_session
from dev.workload.database import rows, value
from rds_encrypt.journal import Role, Tag
from rds_encrypt.rehearse.client import Address, Connection, connected
from rds_encrypt.settings import StrategyName
from tests.chaos.child import Child
from tests.chaos.traffic import TABLE, Locate, Traffic, create_table
from tests.engine.deployment import IDENTIFIER, Deployment, driving
from tests.waiting import until

__all__ = ["ACCEPTED", "Direction", "FenceKind", "Stage", "staged"]

BYSTANDER = "orders-archive"
_WRITERS = 3
_LOOK_EVERY = 0.1
_EVENT = "SELECT status FROM information_schema.events WHERE event_name = 'heartbeat'"
ACCEPTED = {"verification-fresh": "a trial"}
"""A trial is the cutover alone: nobody verifies between one way and the other."""
CUTOVER = {
    # Long enough for a busy machine, short enough for many trials.
    "maxWriteOutage": 20,
    # Nothing that can be interrupted happens while the lag is watched.
    "lagSteady": 0,
}


FenceKind = Literal["read_only", "accounts"]


@dataclass(frozen=True)
class Direction:
    """One of the two ways, with who loses and who wins."""

    verb: str
    phase: str
    primary: str
    candidate: str
    point: str
    """The tag on the encrypted instance that says that the names have begun to move."""


@dataclass
class Stage:
    """The world of the trials."""

    deployment: Deployment
    source_id: str
    encrypted_id: str
    servers: dict[str, str]
    """`@@server_uuid` by DbiResourceId."""
    inputs: dict[str, Any]
    """What the engine gives a cutover."""
    traffic: Traffic
    bystander: dict[str, Any]
    event: str
    """The status of the seeded event on the source, before anything."""
    cutover: dict[str, Any]
    """The settings of the cutover."""
    record: Record
    """With strategy `dns`, the applications'."""
    swapped: bool = False
    _spare: Child | None = None

    @property
    def direction(self) -> Direction:
        """Where the next cutover goes."""
        if self.swapped:
            return Direction("rollback", "rollback", self.encrypted_id, self.source_id, Tag.ROLLBACK_BEGAN)
        return Direction("cutover", "cutover", self.source_id, self.encrypted_id, Tag.CUTOVER_BEGAN)

    @property
    def directory(self) -> Path:
        return self.deployment.workspace.directory

    def start(self, direction: Direction, *holds: str) -> Child:
        """Start one run of the cutover in a process of its own; whatever it needs to know is in the world."""
        child, self._spare = self._spare or self._child(), self._child()
        child.order({"verb": direction.verb, "region": "us-east-1", "inputs": self.inputs, "holds": holds})
        return child

    def dismiss(self) -> None:
        """End the run that was made ready and is not wanted."""
        if self._spare is not None:
            self._spare.kill()
            self._spare.ending()

    def _child(self) -> Child:
        workspace = self.deployment.workspace
        return Child(
            environment=workspace.environment,
            project=workspace.project,
            log=self.directory / "runner.log",
        )

    # Looks at the world.

    def describe(self, resource_id: str) -> dict[str, Any]:
        instance: dict[str, Any] = self.deployment.client("rds").describe_db_instances(
            Filters=[{"Name": "dbi-resource-id", "Values": [resource_id]}]
        )["DBInstances"][0]
        return instance

    def tags(self, resource_id: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self.describe(resource_id).get("TagList", [])}

    @property
    def strategy(self) -> StrategyName:
        """How applications move."""
        strategy: StrategyName = self.cutover["strategy"]
        return strategy

    def has_applications(self, resource_id: str) -> bool:
        """Whether the name, or the record, leads to an instance; with strategy `none`, nothing does."""
        match self.strategy:
            case "rename":
                return bool(self.describe(resource_id)["DBInstanceIdentifier"] == IDENTIFIER)
            case "dns":
                return bool(self.record.target == self.describe(resource_id)["Endpoint"]["Address"])
            case "none":
                return True

    def begun(self, direction: Direction) -> bool:
        """Whether the point of no return was passed."""
        return direction.point in self.tags(self.encrypted_id)

    @contextmanager
    def connected(self, resource_id: str) -> Iterator[Connection]:
        """Open a session as the master user, at the instance's present address."""
        endpoint = self.describe(resource_id)["Endpoint"]
        where = Address(endpoint["Address"], endpoint["Port"], self.deployment.seeded.ca_bundle)
        with connected(where, self.deployment.master, database=self.deployment.seeded.database) as connection:
            yield connection

    @contextmanager
    def host(self, resource_id: str) -> Iterator[AdminSession]:
        """Open a session as RDS's own account, over the server's socket: for breaking things."""
        instances = {
            instance["resource_id"]: instance for instance in self.deployment.sandbox.status()["instances"]
        }
        directory = Path(instances[resource_id]["directory"])
        with admin_session(directory, HostSecrets.of(directory / "data").admin, timeout=2.0) as session:
            yield session

    def rows_of(self, resource_id: str, trial: int) -> list[dict[str, Any]]:
        """Return how often each token of a trial occurs on an instance."""
        with self.connected(resource_id) as connection:
            return rows(
                connection,
                f"SELECT token, batch, COUNT(*) AS times FROM {TABLE} WHERE trial = %s GROUP BY token, batch",
                trial,
            )

    def bystander_now(self) -> dict[str, Any]:
        """Return what the bystander is like now, without what moves by itself."""
        instance = self.describe(self.bystander["DbiResourceId"])
        return {key: value for key, value in instance.items() if key != "LatestRestorableTime"}


class _Compass:
    """Knows where each instance answers at the moment, by its DbiResourceId."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._addresses: dict[str, Address] = {}
        self._stopping = threading.Event()

    @contextmanager
    def turning(self) -> Iterator[_Compass]:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            thread.join(5)

    def at(self, resource_id: str) -> Address | None:
        return self._addresses.get(resource_id)

    def _run(self) -> None:
        bundle = self._deployment.seeded.ca_bundle
        while not self._stopping.wait(_LOOK_EVERY):
            try:
                instances = self._deployment.sandbox.status()["instances"]
            except (urllib.error.URLError, OSError):
                continue
            self._addresses = {
                instance["resource_id"]: Address(instance["address"], instance["port"], bundle)
                for instance in instances
            }


@contextmanager
def staged(
    directory: Path,
    engine: str = "8.0",
    fence: FenceKind = "read_only",
    strategy: StrategyName = "rename",
    *,
    gtids: bool = False,
) -> Iterator[Stage]:
    """Bring a sandbox into phase `replicate`, through the real CLI, with applications at work, and take it down again."""
    with ExitStack() as stack:
        deployment = stack.enter_context(driving(directory, engine, gtids=gtids))
        if fence == "accounts":
            _use_default_group(deployment, engine)
        with deployment.connected(IDENTIFIER) as connection:
            create_table(connection)
            event = str(value(connection, _EVENT))
        bystander = _bystander(deployment, engine)
        cutover: dict[str, Any] = {**CUTOVER, "strategy": strategy}
        name = deployment.address(IDENTIFIER)
        record = make_record(deployment.client("route53"), name)
        if strategy == "dns":
            cutover["dns"] = {"hostedZoneId": record.zone, "record": record.name}
        deployment.up("replicate", cutover=cutover, accept=ACCEPTED)
        source_id = deployment.instance(IDENTIFIER)["DbiResourceId"]
        encrypted_id = deployment.outputs()["encrypted_instance"]
        servers = {
            source_id: _server(deployment, IDENTIFIER),
            encrypted_id: _server(deployment, f"{IDENTIFIER}-encrypted"),
        }
        traffic = Traffic(deployment.application, deployment.seeded.database)
        stage = Stage(
            deployment,
            source_id,
            encrypted_id,
            servers,
            _inputs_of_a_swap(deployment, cutover),
            traffic,
            bystander,
            event,
            cutover,
            record,
        )
        compass = stack.enter_context(_Compass(deployment).turning())
        each: list[Locate] = [lambda: compass.at(source_id), lambda: compass.at(encrypted_id)]
        writers: dict[StrategyName, list[Locate]] = {
            "rename": [lambda: name] * _WRITERS,
            "dns": [record] * _WRITERS,
            "none": each * 2,
        }
        stack.enter_context(traffic.flowing(writers[strategy], each))
        stack.callback(stage.dismiss)
        yield stage


def _inputs_of_a_swap(deployment: Deployment, cutover: dict[str, Any]) -> dict[str, Any]:
    """Ask the engine what it would give to the step that cuts over; the one that rolls back gets the same."""
    deployment.configure("cutover", cutover=cutover, accept=ACCEPTED)
    planned = deployment.workspace.preview("--json")
    assert planned.ok, planned.output
    steps = json.loads(planned.output[planned.output.index("{") :])["steps"]
    inputs = [
        step["newState"]["inputs"]
        for step in steps
        if step["urn"].partition("::orders")[0].endswith("/rds:Cutover")
    ]
    assert len(inputs) == 1, f"the plan holds {len(inputs)} cutovers"
    # Without a URN the step has no row to show its progress in.
    return {key: value for key, value in inputs[0].items() if key not in {"urn", "__provider"}}


def _use_default_group(deployment: Deployment, engine: str) -> None:
    """Give the source AWS's default group, which cannot carry a fence; the event would write on behind locked accounts."""
    rds, family = deployment.client("rds"), f"mysql{engine}"
    with deployment.connected(IDENTIFIER) as connection:
        rows(connection, "ALTER EVENT heartbeat DISABLE")
    rds.modify_db_instance(
        DBInstanceIdentifier=IDENTIFIER, DBParameterGroupName=f"default.{family}", ApplyImmediately=True
    )
    until(lambda: _rebooted(rds))
    until(lambda: _at_rest(deployment, "in-sync"))


def _rebooted(rds: Any) -> bool:
    """Ask for a reboot; right after a change the instance may still call itself available."""
    try:
        rds.reboot_db_instance(DBInstanceIdentifier=IDENTIFIER)
    except rds.exceptions.InvalidDBInstanceStateFault:
        return False
    return True


def _at_rest(deployment: Deployment, group_status: str) -> bool:
    instance = deployment.instance(IDENTIFIER)
    status = instance["DBParameterGroups"][0]["ParameterApplyStatus"]
    return bool(instance["DBInstanceStatus"] == "available" and status == group_status)


def _server(deployment: Deployment, identifier: str) -> str:
    with deployment.connected(identifier) as connection:
        return str(value(connection, "SELECT @@server_uuid"))


def _bystander(deployment: Deployment, engine: str) -> dict[str, Any]:
    """Make an instance that no cutover may touch, though it is tagged as a part of some other migration."""
    rds = deployment.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=BYSTANDER,
        DBInstanceClass="db.t3.medium",
        Engine="mysql",
        EngineVersion=engine,
        MasterUsername="admin",
        MasterUserPassword="throw-away-password",
        AllocatedStorage=20,
        Tags=[
            {"Key": Tag.ROLE, "Value": str(Role.ENCRYPTED)},
            {"Key": Tag.MIGRATION, "Value": "db-OFSOMEBODYELSE"},
        ],
    )
    instance: dict[str, Any] = until(
        lambda: deployment.instance(BYSTANDER), lambda instance: instance["DBInstanceStatus"] == "available"
    )
    return {key: value for key, value in instance.items() if key != "LatestRestorableTime"}
