"""The demo as a list of moves: a sandbox, a writer, three phases, and a look at everything that was promised."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev.demo import compare, inventory
from dev.demo.inventory import Inventory
from dev.demo.report import Old, Phase, Replica, Report
from dev.demo.terminal import Terminal
from dev.sandbox import Sandbox
from dev.sandbox.seed import Seeded, await_available, seed
from dev.workload import database
from dev.workload.gtids import mismatches
from dev.workload.reader import Reader, wrong_reads
from dev.workload.workspace import ROOT, Workspace
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse import client
from rds_encrypt.rehearse.client import Address
from rds_encrypt.rehearse.workspace import Result
from rds_encrypt.rehearse.writer import TABLE, Writer, account_for, longest_gap

__all__ = ["DIRECTORY", "DemoFailed", "Options", "drive"]

DIRECTORY = ROOT / ".cache" / "demo"
_IDENTIFIER = "orders"
_HEARTBEATS = "heartbeats"
_GROWING = {TABLE: "written_at", _HEARTBEATS: "beat_at"}
"""The tables that are written to after the cutover, each with the column that says when."""
_BEATS_WATCHED = 4.5
"""Seconds to watch an event that runs every two seconds."""
_COMES_BACK = 30.0
_PHASES = {
    "replicate": "An encrypted live replica is built beside the database; the application notices nothing.",
    "cutover": "The name `orders` moves to the encrypted instance; writes pause for seconds.",
    "cleanup": "What only the migration needed goes; the old instance is stopped, and kept for a while.",
}


class DemoFailed(Exception):
    """The procedure ended early."""


@dataclass(frozen=True)
class Options:
    """How to run the demo."""

    engine: str = "8.0"
    gtids: bool = False
    replicas: int = 0
    rows: int = 200_000
    keep: bool = False
    directory: Path = DIRECTORY
    project: Path = ROOT


@dataclass
class _Run:
    """What one run holds on to, and what it found so far."""

    terminal: Terminal
    sandbox: Sandbox
    seeded: Seeded
    workspace: Workspace
    writer: Writer
    before: Inventory
    readers: dict[str, Reader]
    """By the names of the source's replicas."""
    phases: list[Phase] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    outage: float = 0.0
    read_outages: dict[str, float] = field(default_factory=dict)
    fenced_at: float = 0.0
    tables: int = 0

    @property
    def rds(self) -> Any:
        return self.sandbox.client("rds")

    @property
    def master(self) -> Credentials:
        return self.seeded.master

    def address(self, identifier: str) -> Address:
        return database.address(self.rds, identifier, self.seeded.ca_bundle)

    def finding(self, sentence: str) -> None:
        self.findings.append(sentence)
        self.terminal.bad(sentence)


def drive(options: Options, terminal: Terminal) -> Report:
    """Run the demo and return its figures.

    Raises:
        DemoFailed: a phase did not come to its end.
    """
    begun = time.monotonic()
    with _sandbox(options, terminal) as sandbox:
        run = _prepare(options, terminal, sandbox)
        with run.writer.writing(), ExitStack() as reading:
            for reader in run.readers.values():
                reading.enter_context(reader.reading())
            _check_that_writes_flow(run)
            _phase(run, "replicate")
            _check_unchanged(run, "replicate")
            _phase(run, "cutover")
            _compare(run)
            _check_unchanged(run, "cutover")
            _phase(run, "cleanup")
            _check_unchanged(run, "cleanup")
        return _report(run, time.monotonic() - begun)


def _prepare(options: Options, terminal: Terminal, sandbox: Sandbox) -> _Run:
    seeded = seed(
        sandbox,
        engine=options.engine,
        rows=options.rows,
        identifier=_IDENTIFIER,
        gtids=options.gtids,
    )
    terminal.good(
        f"`{_IDENTIFIER}`: MySQL {seeded.engine_version}, unencrypted, {seeded.rows:,} rows ({seeded.seconds:.0f} s)"
    )
    replicas = [f"{_IDENTIFIER}-r{number + 1}" for number in range(options.replicas)]
    for name in replicas:
        sandbox.client("rds").create_db_instance_read_replica(
            DBInstanceIdentifier=name, SourceDBInstanceIdentifier=_IDENTIFIER
        )
    for name in replicas:
        await_available(sandbox.client("rds"), name)
        terminal.good(f"`{name}`: a read replica of it")
    workspace = Workspace(options.directory, environment=sandbox.settings(), project=options.project)
    if shutil.which("pulumi", path=workspace.environment["PATH"]) is None:
        raise DemoFailed("There is no `pulumi` on PATH or in .cache/bin: run `make setup`.")
    workspace.create()
    workspace.config_set("rds-encrypt:sources[0].caFile", str(seeded.ca_bundle.resolve()))
    _write_exports(options, sandbox, workspace)
    terminal.good(
        f"Pulumi stack `{workspace.stack}`: its state and config lie in {_shown(options.directory)}"
    )
    where = Address(seeded.address, seeded.port, seeded.ca_bundle)
    application = seeded.application
    writer = Writer(where, application, seeded.database)
    master = seeded.master
    with client.connected(where, master) as connection:
        before = inventory.take(sandbox.client("rds"), sandbox.client("ec2"), connection)
    readers = {
        name: Reader(
            database.address(sandbox.client("rds"), name, seeded.ca_bundle), application, seeded.database
        )
        for name in replicas
    }
    return _Run(terminal, sandbox, seeded, workspace, writer, before, readers)


@contextmanager
def _sandbox(options: Options, terminal: Terminal) -> Iterator[Sandbox]:
    directory = options.directory / "sandbox"
    terminal.heading("A local RDS", "AWS's API over real MySQL servers, on this machine only.")
    former = Sandbox.find(directory)
    if former is not None:
        former.stop()
    if not options.keep:
        with Sandbox.running(directory) as sandbox:
            yield sandbox
        return
    sandbox = Sandbox.start(directory)
    try:
        yield sandbox
    except KeyboardInterrupt:
        sandbox.stop()
        raise


def _check_that_writes_flow(run: _Run) -> None:
    if not run.writer.wait_for_write(0.0, _COMES_BACK):
        raise DemoFailed(f"The writer cannot write to `{_IDENTIFIER}`: {dict(run.writer.errors)}.")
    run.terminal.good(
        f"{run.writer.connections} connections write to {run.seeded.address}:{run.seeded.port},"
        f" the address of the name `{_IDENTIFIER}`"
    )


def _phase(run: _Run, phase: str) -> None:
    """Preview and carry out one phase."""
    number = list(_PHASES).index(phase) + 1
    run.terminal.heading(f"{number}/{len(_PHASES)} {phase}", _PHASES[phase])
    run.terminal.command(f"pulumi config set rds-encrypt:phase {phase}")
    run.workspace.config_set("rds-encrypt:phase", phase)
    run.terminal.command("pulumi preview")
    _must(run, phase, run.workspace.preview(listen=run.terminal.listener()))
    run.terminal.command("pulumi up --yes --skip-preview")
    begun = time.monotonic()
    result = run.workspace.up("--skip-preview", listen=run.terminal.listener())
    _must(run, phase, result)
    run.phases.append(Phase(phase, result.seconds, _count(run.workspace)))
    came_back = run.writer.wait_for_write(time.monotonic(), _COMES_BACK)
    gap = longest_gap((write.monotonic for write in run.writer.acknowledged), begun, time.monotonic())
    if not came_back:
        run.finding(f"the application cannot write after {phase}: {dict(run.writer.errors)}")
    run.terminal.good(
        f"{phase} took {result.seconds:.0f} s; longest time without an acknowledged write: {gap.seconds:.1f} s"
    )
    if phase == "cutover":
        run.read_outages = _read_outages(run, begun)
        run.outage = gap.seconds
        run.fenced_at = time.time() - time.monotonic() + (gap.begin + gap.end) / 2


def _read_outages(run: _Run, begun: float) -> dict[str, float]:
    """Wait until every reader reads again, and return the longest time that each went without."""
    now = time.monotonic()
    for name, reader in run.readers.items():
        while not (reader.reads and reader.reads[-1].monotonic > now):
            if time.monotonic() - now > _COMES_BACK:
                run.finding(f"nothing can be read from {name} after the cutover")
                break
            time.sleep(0.1)
    return {
        name: longest_gap((read.monotonic for read in reader.reads), begun, time.monotonic()).seconds
        for name, reader in run.readers.items()
    }


def _count(workspace: Workspace) -> int:
    """The stack's resources as the CLI counts them: without providers."""
    return sum(not resource["type"].startswith("pulumi:providers:") for resource in workspace.resources())


def _must(run: _Run, phase: str, result: Result) -> None:
    log = run.terminal.log(phase, result)
    if not result.ok:
        can = "can" if run.writer.wait_for_write(time.monotonic(), _COMES_BACK) else "cannot"
        raise DemoFailed(
            f"`{' '.join(result.command[:2])}` failed in phase {phase} and the application {can} write;"
            f" the whole output is in {_shown(log)}."
        )


def _check_unchanged(run: _Run, phase: str) -> None:
    """Between phases nothing is left to do, and the world is as the state says."""
    checks = {
        "preview on the unchanged program shows no change": run.workspace.preview(expect_no_changes=True),
        "refresh shows no drift": run.workspace.refresh("--skip-preview", expect_no_changes=True),
    }
    for promise, result in checks.items():
        log = run.terminal.log(f"{phase}-unchanged", result)
        if result.ok:
            run.terminal.good(promise)
        else:
            run.finding(f"after {phase} it does not hold that {promise} (see {_shown(log)})")


def _compare(run: _Run) -> None:
    """Compare the old instance, which is fenced but can be read, with the one that has its name now."""
    name = run.seeded.database
    application = run.seeded.application
    where = run.address(f"{_IDENTIFIER}-old")
    with (
        client.connected(where, run.master, database=name) as old,
        client.connected(run.address(_IDENTIFIER), run.master, database=name) as new,
        client.connected(where, application, database=name) as applications,
    ):
        upto = compare.marks(new, _GROWING, run.fenced_at)
        first, begun = compare.beats(new, _HEARTBEATS, upto[_HEARTBEATS]), time.monotonic()
        run.tables, different = compare.compare(old, new, name, upto)
        time.sleep(max(0.0, _BEATS_WATCHED - (time.monotonic() - begun)))
        events = compare.event_findings(
            first,
            compare.beats(new, _HEARTBEATS, upto[_HEARTBEATS]),
            compare.beats(old, _HEARTBEATS, upto[_HEARTBEATS]),
            int(database.value(new, "SELECT @@server_id")),
        )
        fenced = compare.refuses_writes(applications, TABLE)
        with_gtids = database.value(new, "SELECT @@gtid_mode") == "ON"
        gtids = mismatches(new, old) if with_gtids else []
    _tell(run, f"all {run.tables} tables are equal on old and new up to the cutover", different)
    _tell(run, "the event runs on the encrypted instance only", events)
    _tell(run, "the old instance refuses writes", [] if fenced else ["the old instance accepts writes"])
    if with_gtids:
        _tell(run, "both have executed the same GTIDs", gtids)


def _tell(run: _Run, promise: str, broken: list[str]) -> None:
    for sentence in broken:
        run.finding(sentence)
    if not broken:
        run.terminal.good(promise)


def _report(run: _Run, seconds: float) -> Report:
    instance = run.rds.describe_db_instances(DBInstanceIdentifier=_IDENTIFIER)["DBInstances"][0]
    outputs = run.workspace.outputs()[_IDENTIFIER]
    old = _old(run, outputs)
    with client.connected(run.address(_IDENTIFIER), run.master, database=run.seeded.database) as connection:
        tokens = database.rows(connection, f"SELECT id, token FROM {TABLE} WHERE token NOT LIKE 'seed-%%'")  # noqa: S608
        after = inventory.take(run.rds, run.sandbox.client("ec2"), connection)
    return Report(
        engine_version=instance["EngineVersion"],
        phases=run.phases,
        writes=account_for(run.writer.acknowledged, (row["token"] for row in tokens)),
        outage_seconds=run.outage,
        identifier=instance["DBInstanceIdentifier"],
        storage_encrypted=instance["StorageEncrypted"],
        kms_key_id=instance.get("KmsKeyId", ""),
        kms_key_wanted=run.seeded.key_arn,
        left_behind=inventory.left_behind(run.before, after, {old.identifier, old.parameter_group}),
        old=old,
        tables=run.tables,
        seconds=seconds,
        findings=run.findings,
        replicas=_replicas(run, {str(row["token"]): int(row["id"]) for row in tokens}),
    )


def _replicas(run: _Run, ids: dict[str, int]) -> list[Replica]:
    """Judge what the readers saw.

    Args:
        run: the run.
        ids: the rows that the writer made, by their tokens.
    """
    acknowledged = {
        ids[write.token]: write.monotonic for write in run.writer.acknowledged if write.token in ids
    }
    return [
        Replica(
            name,
            encrypted=run.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0][
                "StorageEncrypted"
            ],
            read_outage_seconds=run.read_outages[name],
            reads=len(reader.reads),
            wrong_reads=wrong_reads(reader.reads, acknowledged),
        )
        for name, reader in run.readers.items()
    ]


def _old(run: _Run, outputs: dict[str, Any]) -> Old:
    instance = run.rds.describe_db_instances(DBInstanceIdentifier=outputs["old"])["DBInstances"][0]
    return Old(
        identifier=instance["DBInstanceIdentifier"],
        status=instance["DBInstanceStatus"],
        keep_until=outputs["old_backups_kept_until"],
        parameter_group=instance["DBParameterGroups"][0]["DBParameterGroupName"],
    )


def _write_exports(options: Options, sandbox: Sandbox, workspace: Workspace) -> None:
    """Leave a file that points a shell at the sandbox and the stack."""
    settings = {**sandbox.settings(), **workspace.settings, "PATH": workspace.environment["PATH"]}
    lines = [f"export {name}='{value}'\n" for name, value in sorted(settings.items())]
    (options.directory / "env.sh").write_text("".join(lines), encoding="utf-8")


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
