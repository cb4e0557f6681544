"""No dead end: `python -m tests.chaos.dead_ends`, or `make chaos-no-dead-ends`.

Each case makes a source and its encrypted instance, lets applications write, and cuts over. At one operation after the point of
no return something that production does not need fails for good. Then `up`, `cleanup` and `destroy` are tried as a user would: at the
end the encrypted instance must be production with every acknowledged write, and the stack must be gone.

The steps are driven by hand, in the order of the engine's, since a case through the CLI takes a minute.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import botocore.client
import botocore.exceptions
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dev.sandbox import Sandbox
from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import AdminSession, admin_session, end_those_of, execute, query
from dev.sandbox.seed import Seeded, seed
from dev.workload.database import rows, value
from providers import cutover_protocol
from providers.arguments import as_inputs
from providers.binlog_retention import BinlogRetentionProvider
from providers.candidate_retention import CandidateRetentionProvider
from providers.claim import ClaimProvider
from providers.cutover import CutoverProvider
from providers.deletion_guard import DeletionGuardProvider
from providers.retirement import RetirementProvider
from providers.rollback import RollbackProvider
from providers.step import Step, StepContext
from rds_encrypt.access import Access, AccessSettings, endpoint_of
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.checks import of_phase
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.core.errors import MigrationError, PreconditionFailed
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover.context import CutoverContext, Deadlines
from rds_encrypt.cutover.strategies import strategy_called
from rds_encrypt.discovery import discover
from rds_encrypt.journal import Role, Tag
from rds_encrypt.mysql import accounts, channel
from rds_encrypt.mysql.coordinates import current
from rds_encrypt.mysql.session import Credentials, Row, Session
from rds_encrypt.names import Names
from rds_encrypt.phases import Phase
from rds_encrypt.rehearse.client import Address, connected
from rds_encrypt.reports.files import DIRECTORY
from rds_encrypt.settings import CutoverSettings, StrategyName, VerifySettings
from tests.chaos import invariants
from tests.chaos.traffic import TABLE, Traffic, create_table
from tests.waiting import until

__all__ = ["KINDS", "NAMES", "Case", "Ground", "Hand", "drawn", "ground", "main", "run_cases"]

NAMES = Names("orders")
OPERATIONS = 16
"""A cutover has about this many after its point of no return; a blow beyond its end hits a stack with nothing under way."""
KINDS = (
    "reverse account dropped",
    "reverse account locked again and again",
    "reverse account requires x509",
    "binlogs purged",
    "no tag can be written",
    "no tag can be taken off",
    "no tag can be changed",
    "old deleted",
    "old stopped",
    "old full",
)
_LOOKS = ("Describe", "List", "Get")
_CHANGES = {"CREATE", "ALTER", "GRANT", "DROP"}
_PATIENCE = 90.0


class Killed(BaseException):
    """The run was killed here: nothing of ours may catch it."""


@dataclass
class Case:
    """One case and what came of it."""

    number: int
    kind: str
    operation: int
    killed: bool
    fate: str
    said: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        how = f"{self.kind} at operation {self.operation}{', and killed' if self.killed else ''}, old: {self.fate}"
        outcome = "WRONG: " + "; ".join(self.wrong) if self.wrong else "right"
        return f"case {self.number}: {how}: {outcome} ({self.seconds:.0f} s)"


@dataclass
class Ground:
    """A sandbox with two snapshots to make both instances from, and the applications."""

    sandbox: Sandbox
    seeded: Seeded
    traffic: Traffic
    compass: _Compass
    strategy: StrategyName
    source_id: str = ""
    encrypted_id: str = ""

    @property
    def production(self) -> str:
        """The name that production has after a cutover."""
        return NAMES.source if self.strategy == "rename" else NAMES.encrypted

    @property
    def rds(self) -> Any:
        return self.sandbox.client("rds")

    @property
    def access(self) -> AccessSettings:
        return AccessSettings(secret_id=self.seeded.master_secret, ca_file=str(self.seeded.ca_bundle))

    def world(self) -> StepContext:
        aws = Aws(AwsSettings(region="us-east-1"))
        return StepContext(aws, Access(aws, self.access), silent)

    @property
    def inputs(self) -> dict[str, Any]:
        """What the engine would give to the steps."""
        settings = CutoverSettings(strategy=self.strategy, max_write_outage=20, lag_steady=0)
        accept = ("verification-fresh", "settings-match", "volume-initialized", "maintenance-window")
        return {
            "identifier": NAMES.source,
            "source_id": self.source_id,
            "encrypted_id": self.encrypted_id,
            "source_group": "orders-mysql80",
            "cutover": as_inputs(settings),
            "verify": as_inputs(VerifySettings(level="off")),
            "accept": dict.fromkeys(accept, "a trial"),
            "hours": 72,
            "owner": "rds-encrypt/dev",
            "backend": "0123456789ab",
            "access": as_inputs(self.access),
        }

    # The world.

    def instances(self) -> dict[str, dict[str, Any]]:
        instances = self.rds.describe_db_instances()["DBInstances"]
        return {instance["DbiResourceId"]: instance for instance in instances}

    @contextmanager
    def host(self, resource_id: str) -> Iterator[AdminSession]:
        instances = {instance["resource_id"]: instance for instance in self.sandbox.status()["instances"]}
        directory = Path(instances[resource_id]["directory"])
        with admin_session(directory, HostSecrets.of(directory / "data").admin, timeout=2.0) as session:
            yield session

    def address(self, resource_id: str) -> Address:
        endpoint = self.instances()[resource_id]["Endpoint"]
        return Address(endpoint["Address"], endpoint["Port"], self.seeded.ca_bundle)

    @property
    def master(self) -> Credentials:
        return self.seeded.master

    # Making and taking away.

    def build(self) -> None:
        """Make the source and its encrypted instance, which follows it: what phase `replicate` comes to."""
        for name in (NAMES.encrypted, NAMES.fence):
            self._make_group(name)
        for name, snapshot, group in (
            (NAMES.source, "base", "orders-mysql80"),
            (NAMES.encrypted, "base-encrypted", NAMES.encrypted),
        ):
            self.rds.restore_db_instance_from_db_snapshot(
                DBInstanceIdentifier=name,
                DBSnapshotIdentifier=snapshot,
                DBParameterGroupName=group,
                OptionGroupName="orders-mysql80",
                DBSubnetGroupName=NAMES.source,
                Tags=[
                    {"Key": "application", "Value": "shop"},
                    *([{"Key": Tag.ROLE, "Value": str(Role.ENCRYPTED)}] if name == NAMES.encrypted else []),
                ],
            )
        until(self._both_available, what="both instances to be restored")
        by_name = {instance["DBInstanceIdentifier"]: instance for instance in self.instances().values()}
        self.source_id = by_name[NAMES.source]["DbiResourceId"]
        self.encrypted_id = by_name[NAMES.encrypted]["DbiResourceId"]
        self.rds.add_tags_to_resource(
            ResourceName=by_name[NAMES.encrypted]["DBInstanceArn"],
            Tags=[{"Key": Tag.MIGRATION, "Value": self.source_id}],
        )

    def attach(self) -> None:
        """Let the encrypted instance follow; nothing has been written since the snapshot from which both were made."""
        world = self.world()
        source, encrypted = world.instances.get_several(self.source_id, self.encrypted_id)
        with world.access.session(source) as here, world.access.session(encrypted) as there:
            at = current(here)
            account = accounts.issue(here, accounts.REPLICATION_USER)
            channel.attach(there, endpoint_of(source), account, at)
            channel.start(there)
            # Arrives on the encrypted instance as one that its source has disabled there.
            with connected(self.address(self.source_id), self.master, database=self.seeded.database) as owner:
                rows(owner, "ALTER EVENT heartbeat ENABLE")

    def clear(self) -> None:
        """Take away everything that a case has made."""
        for instance in self.instances().values():
            name = instance["DBInstanceIdentifier"]
            if instance["DBInstanceStatus"] not in {"available", "stopped", "deleting"}:
                with suppress(Exception):
                    self.sandbox.faults.set_status(name, "available")
            with suppress(botocore.exceptions.ClientError):
                self.rds.modify_db_instance(
                    DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True
                )
        until(self._all_deleted, what="everything to be deleted")
        for name in (NAMES.encrypted, NAMES.fence):
            with suppress(botocore.exceptions.ClientError):
                self.rds.delete_db_parameter_group(DBParameterGroupName=name)
        self.rds.reset_db_parameter_group(
            DBParameterGroupName="orders-mysql80",
            Parameters=[{"ParameterName": "read_only", "ApplyMethod": "immediate"}],
        )

    def _both_available(self) -> bool:
        statuses = [instance["DBInstanceStatus"] for instance in self.instances().values()]
        return statuses == ["available"] * 2

    def _all_deleted(self) -> bool:
        instances = self.instances().values()
        for instance in instances:
            if instance["DBInstanceStatus"] != "deleting":
                with suppress(botocore.exceptions.ClientError):
                    self.rds.delete_db_instance(
                        DBInstanceIdentifier=instance["DBInstanceIdentifier"], SkipFinalSnapshot=True
                    )
        return not instances

    def _make_group(self, name: str) -> None:
        self.rds.create_db_parameter_group(
            DBParameterGroupName=name,
            DBParameterGroupFamily="mysql8.0",
            Description=f"orders-mysql80, {NAMES.group_purpose}",
        )
        values = {
            "binlog_format": "ROW",
            "log_bin_trust_function_creators": "1",
            "read_only": "1",
            "event_scheduler": "OFF",
        }
        self.rds.modify_db_parameter_group(
            DBParameterGroupName=name,
            Parameters=[
                {"ParameterName": key, "ParameterValue": setting, "ApplyMethod": "immediate"}
                for key, setting in values.items()
            ],
        )


class _Compass:
    """Knows where a name answers at the moment."""

    def __init__(self, sandbox: Sandbox, seeded: Seeded) -> None:
        self._sandbox, self._seeded = sandbox, seeded
        self._at: dict[str, Address] = {}
        self._over = threading.Event()

    @contextmanager
    def turning(self) -> Iterator[_Compass]:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(5)

    def at(self, name: str) -> Address | None:
        return self._at.get(name)

    def _run(self) -> None:
        while not self._over.wait(0.1):
            with suppress(OSError):
                self._at = {
                    here["identifier"]: Address(here["address"], here["port"], self._seeded.ca_bundle)
                    for here in self._sandbox.status()["instances"]
                }


class Hand:
    """The stack: which steps it holds, and what the engine does with them."""

    ORDER: ClassVar[tuple[tuple[str, type[Step[Any]]], ...]] = (
        ("claim", ClaimProvider),
        ("retention", BinlogRetentionProvider),
        ("deletion guard", DeletionGuardProvider),
        ("candidate", CandidateRetentionProvider),
        ("cutover", CutoverProvider),
        ("rollback", RollbackProvider),
        ("retirement", RetirementProvider),
    )
    DECLARED: ClassVar[Mapping[str, set[str]]] = {
        "replicate": {"claim", "retention", "deletion guard", "candidate"},
        "cutover": {"claim", "retention", "deletion guard", "candidate", "cutover"},
        "rollback": {"claim", "retention", "deletion guard", "candidate", "rollback"},
        "cleanup": {"claim", "deletion guard", "cutover", "retirement"},
    }

    def __init__(self, place: Ground, fate: str, *, without: str = "", accept: tuple[str, ...] = ()) -> None:
        self._place = place
        self._fate = fate
        self._without = without
        self._accept = accept
        self.state: dict[str, dict[str, Any]] = {}

    def up(self, phase: Phase) -> None:
        """What `pulumi up` does: refuse, make or update what is declared, and then delete what is not."""
        self._refuse(phase)
        for name, kind in self.ORDER:
            if name not in self.DECLARED[phase] or name == self._without:
                continue
            step, inputs = self._step(kind), self._inputs(name)
            if name not in self.state:
                created = step.create(inputs)
                self.state[name] = dict(created.outs or {})
            elif step.diff("", self.state[name], inputs).changes:
                self.state[name] = dict(step.update("", self.state[name], inputs).outs or {})
        self._delete(set(self.state) - self.DECLARED[phase])

    def destroy(self) -> None:
        """What `pulumi destroy` does."""
        self._delete(set(self.state))

    def _delete(self, which: set[str]) -> None:
        for name, kind in reversed(self.ORDER):
            if name in which:
                self._step(kind).delete("", self.state[name])
                del self.state[name]

    def _refuse(self, phase: Phase) -> None:
        world = self._place.world()
        topology = discover(world.aws, NAMES)
        checks = CheckContext(
            world.aws,
            AccountInventory(world.aws),
            Plan(phase, "online", topology, strategy_called(self._place.strategy)),
        )
        for check in (of_phase.no_cutover_under_way, of_phase.phase_follows):
            for finding in check(checks):
                raise PreconditionFailed(
                    finding.what, where=finding.where, fix=finding.fix, safe=finding.safe
                )
        if phase == "cutover" and topology.source is None:
            raise MigrationError("the source is gone: phase `cleanup`")

    def _inputs(self, name: str) -> dict[str, Any]:
        inputs = dict(self._place.inputs)
        inputs["accept"] |= dict.fromkeys(self._accept, "a trial")
        if name == "cutover":
            inputs |= {"named": True, "fenced": True, "following": True}
        if name == "retirement":
            inputs["fate"] = self._fate
        return inputs

    @staticmethod
    def _step(kind: type[Step[Any]]) -> Step[Any]:
        step = kind()
        step.configure(ConfigureRequest(Config({"aws:region": "us-east-1"}, "rds-encrypt")))
        return step


class Blow:
    """Strikes at one operation after the point of no return, once; what it does then lasts."""

    def __init__(self, place: Ground, case: Case) -> None:
        self._place, self._case = place, case
        self._passed, self._begun, self._struck, self._inside = 0, False, False, False
        self._refused: set[str] = set()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def waiting(self) -> Iterator[Blow]:
        """Watch every operation of this process for the length of a ``with`` block."""
        call_aws = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
        call, run = Session.call, Session.rows
        blow = self

        def called_aws(client: Any, operation: str, parameters: Any) -> Any:
            if threading.current_thread() is not threading.main_thread() or blow._inside:
                return call_aws(client, operation, parameters)
            if not operation.startswith(_LOOKS):
                blow._pass()
            if operation in blow._refused:
                denied = {
                    "Error": {"Code": "AccessDenied", "Message": f"not authorized to perform {operation}"}
                }
                raise botocore.exceptions.ClientError(denied, operation)  # type: ignore[arg-type]
            response = call_aws(client, operation, parameters)
            tags = parameters.get("Tags") or [] if operation == "AddTagsToResource" else []
            if any(tag["Key"] == Tag.CUTOVER_BEGAN for tag in tags):
                blow._begun = True
            return response

        def called(session: Session, procedure: str, *arguments: object) -> list[Row]:
            blow._pass()
            return call(session, procedure, *arguments)

        def ran(session: Session, statement: str, *arguments: object) -> list[Row]:
            if statement.split(maxsplit=1)[0] in _CHANGES and "fence_probe" not in statement:
                blow._pass()
            return run(session, statement, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(botocore.client.BaseClient, "_make_api_call", called_aws)
            patch.setattr(Session, "call", called)
            patch.setattr(Session, "rows", ran)
            try:
                yield self
            finally:
                self._over.set()
                if self._thread is not None:
                    self._thread.join(10)

    def strike(self) -> None:
        """Strike now, if that has not happened."""
        if self._struck:
            return
        self._struck, kind = True, self._case.kind
        refused = {
            "no tag can be written": {"AddTagsToResource"},
            "no tag can be taken off": {"RemoveTagsFromResource"},
            "no tag can be changed": {"AddTagsToResource", "RemoveTagsFromResource"},
        }
        if kind in refused:
            self._refused = refused[kind]
            return
        self._inside = True
        try:
            done = self._try()
        finally:
            self._inside = False
        if not done or kind.endswith("again and again"):
            self._thread = threading.Thread(target=self._go_on, daemon=True)
            self._thread.start()

    def settle(self) -> None:
        """Wait until it has struck: an instance that is being renamed can be stopped only afterwards."""
        if self._thread is not None and not self._case.kind.endswith("again and again"):
            self._thread.join(30)

    def _pass(self) -> None:
        if not self._begun or self._struck or threading.current_thread() is not threading.main_thread():
            return
        self._passed += 1
        if self._passed == self._case.operation:
            self.strike()
            if self._case.killed:
                raise Killed

    def _go_on(self) -> None:
        while not self._over.wait(0.2):
            if self._try() and not self._case.kind.endswith("again and again"):
                return

    def _try(self) -> bool:
        try:
            return self._strikes()
        except Exception:  # noqa: BLE001 - in mid-rename it is refused, or nobody answers: later, then
            return False

    def _strikes(self) -> bool:
        place, rds = self._place, self._place.rds
        old = place.instances().get(place.source_id)
        name = old["DBInstanceIdentifier"] if old is not None else ""
        match self._case.kind.split():
            case ["old", "deleted"] if old is not None:
                with suppress(botocore.exceptions.ClientError):
                    rds.modify_db_instance(
                        DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True
                    )
                rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
            case ["old", "stopped"]:
                rds.stop_db_instance(DBInstanceIdentifier=name)
            case ["old", "full"] if old is not None:
                if old["DBInstanceStatus"] != "available":
                    return bool(old["DBInstanceStatus"] == "storage-full")
                place.sandbox.faults.set_status(name, "storage-full")
            case ["reverse", "account", *how]:
                with place.host(place.encrypted_id) as session:
                    verb = {
                        "dropped": "DROP USER IF EXISTS {}",
                        "requires": "ALTER USER IF EXISTS {} REQUIRE X509",
                    }.get(how[0], "ALTER USER IF EXISTS {} ACCOUNT LOCK")
                    execute(session, verb.format(f"'{accounts.REVERSE_USER}'@'%'"))
                    end_those_of(session, accounts.REVERSE_USER)
            case _:
                with place.host(place.encrypted_id) as session:
                    execute(session, "FLUSH BINARY LOGS")
                    last = query(session, "SHOW BINARY LOGS")[-1]["Log_name"]
                    execute(session, f"PURGE BINARY LOGS TO '{last}'")
        return True


def run_case(place: Ground, case: Case) -> None:
    """Run one case to its end, and judge it."""
    began = time.monotonic()
    place.traffic.trial = -1
    place.build()
    stack = Hand(place, case.fate)
    stack.up("replicate")
    place.attach()
    place.traffic.trial = case.number
    time.sleep(1.0)
    blow = Blow(place, case)
    with blow.waiting():
        _drive(stack, blow, case)
    if stack.state:
        case.wrong.append(f"the stack still holds {', '.join(stack.state)}")
    case.wrong.extend(_judged(place, case))
    place.traffic.trial = -1
    place.clear()
    case.seconds = time.monotonic() - began


def _drive(stack: Hand, blow: Blow, case: Case) -> None:
    """Do what a user would: go on in the phase, then clean up, then give the stack up; each again if it says so."""
    commands: tuple[Phase | Literal["destroy"], ...] = (
        *("cutover", "cutover", "cleanup", "cleanup"),
        *("destroy", "destroy"),
    )
    for command in commands:
        try:
            if command == "destroy":
                stack.destroy()
            else:
                stack.up(command)
        except Killed:
            case.said.append(f"{command}: killed")
        except MigrationError as error:
            case.said.append(f"{command}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no sentence of ours
            case.said.append(f"{command}: {error!r}")
            case.wrong.append(f"{command} failed without a sentence of ours: {error!r}")
        if command == "cutover":
            blow.strike()
            blow.settle()


def _judged(place: Ground, case: Case) -> list[str]:
    """Ask the world: who is production, does it take writes, is each acknowledged write there, do events fire as before."""
    instances = place.instances()
    production = instances.get(place.encrypted_id)
    if production is None or production["DBInstanceIdentifier"] != place.production:
        return [
            f"{place.production} is not the encrypted instance: {sorted(instance['DBInstanceIdentifier'] for instance in instances.values())}"
        ]
    wrong = []
    acks = place.traffic.acks(case.number)
    with connected(
        place.address(place.encrypted_id), place.master, database=place.seeded.database
    ) as session:
        server = str(value(session, "SELECT @@server_uuid"))
        if (
            int(value(session, "SELECT @@GLOBAL.read_only"))
            or str(value(session, "SELECT @@GLOBAL.event_scheduler")) != "ON"
        ):
            wrong.append("production is read-only, or its events are off")
        elif not place.traffic.wait_for(server, time.monotonic(), _PATIENCE):
            wrong.append(f"{_PATIENCE:.0f} s after the end production has taken no write")
        status = value(session, "SELECT status FROM information_schema.events WHERE event_name = 'heartbeat'")
        if status != "ENABLED":
            wrong.append(f"the event is {status}")
        if (
            hours := value(
                session, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
            )
        ) is not None:
            wrong.append(f"production keeps its binlogs for {hours} h, and its owner had no such setting")
        present = rows(
            session,
            f"SELECT token, batch, COUNT(*) AS times FROM {TABLE} WHERE trial = %s GROUP BY token, batch",
            case.number,
        )
    wrong.extend(invariants.accounting(acks, present))
    servers = {ack.server for ack in acks}
    if len(servers) > 1:
        wrong.extend(invariants.one_writer(acks, (servers - {server}).pop(), server))
    left = [tag["Key"] for tag in production["TagList"] if tag["Key"].startswith("rds-encrypt:")]
    if left and "tag" not in case.kind:
        wrong.append(f"tags are left on production: {', '.join(left)}")
    return wrong


@contextmanager
def ground(directory: Path, strategy: StrategyName = "rename") -> Iterator[Ground]:
    """Run a sandbox with the two snapshots; this process is a client of it meanwhile."""
    with Sandbox.running(directory / "sandbox") as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, setting in {**sandbox.settings(), DIRECTORY: str(directory / "reports")}.items():
            patch.setenv(name, setting)
        # Seconds instead of minutes: nobody is slow here.
        deadlines = Deadlines(former_primary=15.0, follows=10.0, gone=3.0)
        patch.setattr(cutover_protocol, "CutoverContext", partial(CutoverContext, deadlines=deadlines))
        patch.setattr(channel, "_CONNECT", 6.0)
        seeded = seed(sandbox, rows=300, identifier=NAMES.source)
        traffic = Traffic(seeded.application, seeded.database)
        with _Compass(sandbox, seeded).turning() as compass:
            place = Ground(sandbox, seeded, traffic, compass, strategy, seeded.resource_id)
            _take_snapshots(place)
            before, afterwards = partial(compass.at, NAMES.source), partial(compass.at, place.production)
            with traffic.flowing([before, afterwards], []):
                yield place


def _take_snapshots(place: Ground) -> None:
    where = place.address(place.source_id)
    with connected(where, place.master, database=place.seeded.database) as session:
        create_table(session)
        rows(session, "ALTER EVENT heartbeat DISABLE")
    rds = place.rds
    rds.create_db_snapshot(DBInstanceIdentifier=NAMES.source, DBSnapshotIdentifier="base")
    until(lambda: _ready(rds, "base"), what="the snapshot")
    rds.copy_db_snapshot(
        SourceDBSnapshotIdentifier="base",
        TargetDBSnapshotIdentifier="base-encrypted",
        KmsKeyId=place.seeded.key_arn,
    )
    until(lambda: _ready(rds, "base-encrypted"), what="the copy")
    place.clear()


def _ready(rds: Any, name: str) -> bool:
    snapshots = rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
    return bool(snapshots[0]["Status"] == "available")


def run_cases(place: Ground, cases: list[Case], tell: Callable[[str], None]) -> list[Case]:
    """Run them one after the other."""
    for case in cases:
        run_case(place, case)
        tell(str(case))
        for sentence in case.said:
            tell(f"    {sentence}")
    return cases


def drawn(seed_: int, count: int, kinds: tuple[str, ...] = KINDS) -> list[Case]:
    """Draw cases: each kind in its turn, at an operation that the dice choose."""
    dice = random.Random(seed_)  # noqa: S311 - a seed is the point
    deck = [kinds[number % len(kinds)] for number in range(count)]
    return [
        Case(number, kind, dice.randint(1, OPERATIONS), dice.random() < 0.3, dice.choice(("stop", "keep")))
        for number, kind in enumerate(deck, 1)
    ]


def main() -> None:
    """Run the cases that the command line asks for; ends with 1 if one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.dead_ends", description=__doc__)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--strategy", choices=("rename", "none"), default="rename")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    kinds = (options.kind,) if options.kind else KINDS
    with tempfile.TemporaryDirectory() as directory, ground(Path(directory), options.strategy) as place:
        done = run_cases(
            place, drawn(options.seed, options.cases, kinds), lambda line: print(line, flush=True)
        )
    wrong = [case for case in done if case.wrong]
    print(f"seed {options.seed}: {len(done)} cases, {len(wrong)} wrong")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
