"""One run: a fresh sandbox with a seeded source, a writer on its name, one of the two procedures, and the accounting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from dev.bench.command import BenchFailed, Say
from dev.bench.figures import Run
from dev.bench.floor import swap_barely
from dev.bench.model import Model, Strategy
from dev.bench.names import Record, make_record
from dev.bench.runbook import Runbook
from dev.bench.writer import application, make_table, numbers_in
from dev.sandbox import Sandbox
from dev.sandbox.seed import Seeded, seed
from dev.workload.workspace import Workspace
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, connected
from rds_encrypt.rehearse.writer import Resolve, account_for, longest_gap

__all__ = ["Ours", "Place", "measure_floors", "place", "run_ours", "run_runbook", "runbook_of"]

_IDENTIFIER = "orders"
_ROWS = 20_000
_STEADY = 5.0
"""Seconds of undisturbed writing before the swap, over which the rate is taken."""
_AFTERWARDS = 3.0
"""Seconds of writing after the swap."""
_COMES_BACK = 120.0


class _Procedure(Protocol):
    """What is measured: everything that may take its time, then the swap."""

    def build(self) -> None: ...
    def swap(self) -> None: ...


@dataclass(frozen=True)
class Place:
    """A sandbox with a seeded source that nobody has touched."""

    sandbox: Sandbox
    seeded: Seeded
    model: Model
    say: Say

    @property
    def rds(self) -> Any:
        """A client of its API."""
        return self.sandbox.client("rds")

    @property
    def name(self) -> Address:
        """The address of the name `orders`, whoever has it."""
        return Address(self.seeded.address, self.seeded.port, self.seeded.ca_bundle)

    @property
    def master(self) -> Credentials:
        return self.seeded.master

    @property
    def application(self) -> Credentials:
        return self.seeded.application


@contextmanager
def place(directory: Path, engine: str, model: Model, say: Say) -> Iterator[Place]:
    """Run a sandbox with a fresh source for the length of a ``with`` block."""
    with Sandbox.running(directory / "sandbox", profile=model.profile, factor=model.factor) as sandbox:
        seeded = seed(sandbox, engine=engine, rows=_ROWS, identifier=_IDENTIFIER)
        prepared = Place(sandbox, seeded, model, say)
        with connected(prepared.name, prepared.master, database=seeded.database) as connection:
            make_table(connection)
            # The runbook says nothing of events: the seeded one would fire on its copy and break its replication.
            with connection.cursor() as cursor:
                cursor.execute("DROP EVENT heartbeat")
        say(f"`{_IDENTIFIER}`: MySQL {seeded.engine_version}, {seeded.rows:,} rows")
        yield prepared


def run_ours(where: Place, directory: Path, strategy: Strategy) -> Run:
    """Take the source through the program's procedure, with the real Pulumi CLI."""
    procedure = Ours(where, directory)
    if strategy == "rename":
        return _measure(where, procedure, lambda: where.name)
    record = make_record(where.sandbox.client("route53"), where.name)
    procedure.follow_record(record)
    return _measure(where, procedure, record)


def run_runbook(where: Place) -> Run:
    """Take the source through the plain runbook's procedure."""
    return _measure(where, runbook_of(where), lambda: where.name)


def runbook_of(where: Place) -> Runbook:
    """Return the plain runbook for the source, with waiters at the pace of the time model."""
    return Runbook(
        rds=where.rds,
        source=_IDENTIFIER,
        master=where.master,
        authorities=where.seeded.ca_bundle,
        kms_key=where.seeded.key_arn,
        delay=where.model.waiter_delay,
        say=where.say,
    )


def measure_floors(where: Place, times: int) -> list[float]:
    """Swap the names back and forth after a run of the runbook, with the database idle; return the seconds of each swap."""
    seconds = []
    aside, successor = f"{_IDENTIFIER}-encrypted", f"{_IDENTIFIER}-old"
    for _ in range(times):
        where.say("floor: two bare renames, nobody writes")
        seconds.append(
            swap_barely(
                where.rds,
                name=_IDENTIFIER,
                aside=aside,
                successor=successor,
                where=where.name,
                who=where.master,
            )
        )
        aside, successor = successor, aside
    return seconds


def _measure(where: Place, procedure: _Procedure, resolve: Resolve) -> Run:
    """Write, build, write on undisturbed, swap, write on; then count what arrived."""
    begun = time.monotonic()
    writer = application(resolve, where.application, where.seeded.database)
    with writer.writing():
        procedure.build()
        time.sleep(_STEADY)
        swap_began = time.monotonic()
        steady = sum(swap_began - _STEADY < write.monotonic for write in writer.acknowledged)
        procedure.swap()
        if not writer.wait_for_write(time.monotonic(), _COMES_BACK):
            raise BenchFailed(f"the application cannot write after the swap: {dict(writer.errors)}")
        time.sleep(_AFTERWARDS)
        swap_ended = time.monotonic()
    _require_encrypted(where, resolve)
    written = writer.acknowledged
    with connected(resolve(), where.master, database=where.seeded.database) as connection:
        present = numbers_in(connection)
    outage = longest_gap((write.monotonic for write in written), swap_began, swap_ended)
    run = Run(
        outage=outage,
        accounting=account_for(written, present),
        rate=steady / _STEADY,
        writes=written,
        timeline=procedure.timeline if isinstance(procedure, Ours) else {},
        seconds=time.monotonic() - begun,
    )
    where.say(
        f"outage {outage.seconds:.2f} s, {run.accounting.acknowledged:,} acknowledged ({run.rate:.0f}/s),"
        f" {len(run.accounting.lost):,} lost"
    )
    return run


def _require_encrypted(where: Place, resolve: Resolve) -> None:
    """The comparison is void if the name does not lead to encrypted storage afterwards."""
    address = resolve().host
    for instance in where.rds.describe_db_instances()["DBInstances"]:
        if instance["Endpoint"]["Address"] == address and instance["StorageEncrypted"]:
            return
    raise BenchFailed(f"the application's name leads to {address}, which is no encrypted instance")


@dataclass
class Ours:
    """The program's procedure: `pulumi up` in phase `replicate`, then in phase `cutover`."""

    where: Place
    directory: Path
    timeline: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._workspace = Workspace(self.directory, environment=self.where.sandbox.settings())
        self._workspace.create()
        self._set("caFile", str(self.where.seeded.ca_bundle.resolve()))

    def follow_record(self, record: Record) -> None:
        """Swap by the record instead of the names."""
        self._set("cutover.strategy", "dns")
        self._set("cutover.dns.hostedZoneId", record.zone)
        self._set("cutover.dns.record", record.name)

    def build(self) -> None:
        self.configure("replicate")
        self.up("replicate")

    def swap(self) -> None:
        self.configure("cutover")
        self.up("cutover")
        timeline = self._workspace.outputs()[_IDENTIFIER]["timeline"]
        self.timeline = {
            moment: datetime.fromisoformat(when).timestamp() for moment, when in timeline.items()
        }

    def configure(self, phase: str) -> None:
        """Say in the stack's config how far to go."""
        self._workspace.config_set("rds-encrypt:phase", phase)

    def up(self, phase: str) -> None:
        """Run `pulumi up`, and keep what it printed."""
        self.where.say(f"pulumi up, phase {phase}")
        # Line by line, so that somebody who is waiting can see what for.
        with (self.directory / f"{phase}.log").open("w", encoding="utf-8", buffering=1) as log:
            result = self._workspace.up("--skip-preview", listen=lambda line: print(line, file=log))
        if not result.ok:
            raise BenchFailed(f"`pulumi up` failed in phase {phase}: {result.output.strip()}")

    def _set(self, key: str, value: str) -> None:
        self._workspace.config_set(f"rds-encrypt:sources[0].{key}", value)
