"""Catching up: `python -m dev.bench.catch_up --megabytes 40 --engine 8.0`.

A source on which the program has come to the end of `replicate`: its plain replica, which RDS manages, and the encrypted instance as the
program sets it up. Both are stopped, the source writes small transactions, and each applies them alone, one after the other: the
replica as it is, the encrypted instance by way of the program's own step. Twice: with durability left alone, and relaxed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from dev.bench import command
from dev.bench.command import BenchFailed
from dev.bench.lines import Line, at_most, show
from dev.bench.model import Model
from dev.bench.run import Place, place
from dev.workload.database import rows
from dev.workload.workspace import Workspace
from providers.catch_up import CatchUpArgs, CatchUpProvider
from providers.step import StepContext
from rds_encrypt.access import Access, AccessSettings
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.waiting import silent
from rds_encrypt.durability import RELAXED
from rds_encrypt.mysql import channel, lag
from rds_encrypt.mysql.coordinates import Coordinates, bytes_between, current
from rds_encrypt.mysql.replica_status import ReplicaStatus
from rds_encrypt.mysql.session import Session
from rds_encrypt.names import Names
from rds_encrypt.rehearse.client import connected
from rds_encrypt.rehearse.workspace import CommandFailed
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["CatchUpFigures", "lines_of", "main", "measure"]

_CLIENTS = 4
_ROWS = 20_000
_CREATE = (
    "CREATE TABLE bench_{number} (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, k INT UNSIGNED NOT NULL, c VARCHAR(120) NOT NULL,"
    " pad VARCHAR(60) NOT NULL, KEY (k))"
)
_INSERT = "INSERT INTO bench_{number} (k, c, pad) VALUES (%s, %s, %s)"
_UPDATE = "UPDATE bench_{number} SET {column} WHERE id = %s"
_LOOK = 0.1
_LONGEST = 600.0
_REPLICA = "the source's plain replica"


@dataclass(frozen=True)
class CatchUpFigures:
    """How fast the encrypted instance catches up; rates are bytes of the source's binlog applied a second.

    Attributes:
        ours: by the encrypted instance with the program's settings for it.
        peer: by the plain replica, of the same bytes.
        left_alone: by the encrypted instance when durability is not relaxed.
        left_alone_peer: by the plain replica, of those bytes.
        transaction: bytes of one transaction in the binlog.
        settings: what the step changed, with the values that were in effect meanwhile.
        put_back: whether values in effect, and the parameter group, are afterwards what they were before.
    """

    engine: str
    ours: float
    peer: float
    left_alone: float
    left_alone_peer: float
    transaction: float
    settings: dict[str, str]
    put_back: bool


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the lines, write the figures."""
    parser = command.parser("dev.bench.catch_up", __doc__)
    parser.add_argument("--megabytes", type=float, default=40.0, help="of binlog to catch up with, each time")
    options = parser.parse_args(arguments)

    def run(console: Console) -> int:
        with tempfile.TemporaryDirectory(prefix="bench-catch-up-") as directory:
            figures = measure(options.engine, Path(directory), console, megabytes=options.megabytes)
        command.write("bench-catch-up", asdict(figures), options.engine, console)
        return show(console, list(lines_of(figures)))

    return command.run(run)


def measure(engine: str, directory: Path, console: Console, *, megabytes: float) -> CatchUpFigures:
    """Bring a source to the end of `replicate`, then let both catch up with this many MB, twice."""
    with place(directory, engine, Model(1.0), console.print) as where:
        reports = {DIRECTORY: str(directory / "reports")}
        _replicate(where, directory / "workspace", reports)
        with _environment({**where.sandbox.settings(), **reports}):
            track = _Track(where)
            track.settle()
            before = track.durability()
            alone = track.round(megabytes, relaxed=False)
            relaxed = track.round(megabytes, relaxed=True)
            after = track.durability()
        return CatchUpFigures(
            engine=where.seeded.engine_version,
            ours=relaxed.ours,
            peer=relaxed.peer,
            left_alone=alone.ours,
            left_alone_peer=alone.peer,
            transaction=relaxed.transaction,
            settings=relaxed.settings,
            put_back=after == before,
        )


def lines_of(figures: CatchUpFigures) -> Iterator[Line]:
    """Return the rates with and without the settings that are changed for the time, and those that were not put back."""
    mega = 1e6
    yield Line("catch-up, binlog applied", figures.ours / mega, "MB/s", figures.peer / mega, _REPLICA)
    yield Line(
        "catch-up, durability left alone",
        figures.left_alone / mega,
        "MB/s",
        figures.left_alone_peer / mega,
        _REPLICA,
    )
    left = 0 if figures.put_back else len(figures.settings)
    yield Line("catch-up, settings changed for it and not put back", left, "", limit=at_most(0))


def _replicate(where: Place, directory: Path, environment: Mapping[str, str]) -> None:
    workspace = Workspace(directory, environment={**where.sandbox.settings(), **environment})
    workspace.create()
    workspace.config_set("rds-encrypt:sources[0].caFile", str(where.seeded.ca_bundle.resolve()))
    where.say("pulumi up, phase replicate")
    result = workspace.up("--skip-preview")
    if not result.ok:
        raise CommandFailed(result)


@dataclass(frozen=True)
class _Round:
    ours: float
    peer: float
    transaction: float
    settings: dict[str, str]


class _Track:
    """The source and its two followers, of which one runs at a time."""

    def __init__(self, where: Place) -> None:
        self._where = where
        aws = Aws(AwsSettings(region=where.sandbox.settings()["AWS_REGION"], profile=None))
        self._access = AccessSettings(
            secret_id=where.seeded.master_secret, ca_file=str(where.seeded.ca_bundle.resolve())
        )
        self._world = StepContext(aws, Access(aws, self._access), silent)
        names = Names(where.seeded.identifier)
        self._group = names.encrypted
        instances = Instances(aws).named(names.all)
        self._source, self._replica, self._encrypted = (
            instances[name].resource_id for name in (names.source, names.replica, names.encrypted)
        )

    def settle(self) -> None:
        """Make the tables that the clients write to, on all three, and stop both followers."""
        with connected(
            self._where.name, self._where.master, database=self._where.seeded.database
        ) as connection:
            for number in range(_CLIENTS):
                rows(connection, _CREATE.format(number=number))
                with connection.cursor() as cursor:
                    cursor.executemany(
                        _INSERT.format(number=number),
                        [(k, str(k) * 20, str(k) * 10) for k in range(_ROWS)],
                    )
        for follower in (self._replica, self._encrypted):
            with self._world.session(follower) as session:
                lag.drain(session, self._written(), deadline=_LONGEST)
                channel.stop(session)

    def round(self, megabytes: float, *, relaxed: bool) -> _Round:
        """Write so much, and let the replica and then the encrypted instance apply it."""
        how = "relaxed" if relaxed else "left alone"
        with self._world.session(self._source) as source:
            since = current(source)
            transactions = self._write(megabytes * 1e6)
            until, size = current(source), bytes_between(source, since)
        self._where.say(f"{size / 1e6:.0f} MB in {transactions:,} transactions; the replica applies them")
        peer, _ = self._apply(self._replica, until)
        self._where.say(f"replica {size / peer / 1e6:.2f} MB/s; the encrypted instance, {how}, applies them")
        with ThreadPoolExecutor(1) as executor:
            step = executor.submit(self._step, 0 if relaxed else None)
            ours, settings = self._apply(self._encrypted, until)
            step.result()
        self._where.say(f"encrypted instance {size / ours / 1e6:.2f} MB/s")
        with self._world.session(self._encrypted) as session:
            channel.stop(session)
        return _Round(size / ours, size / peer, size / transactions, settings)

    def durability(self) -> dict[str, str]:
        """What is in effect on the encrypted instance, and what its group says."""
        with self._world.session(self._encrypted) as session:
            live = _in_effect(session)
        group = ParameterGroups(self._world.aws).user_values(self._group)
        return {**live, **{f"{name} in the group": str(group.get(name)) for name in RELAXED}}

    def _step(self, relax_above: float | None) -> None:
        args = CatchUpArgs(
            source_id=self._source,
            encrypted_id=self._encrypted,
            access=self._access,
            hours=1,
            relax_above=relax_above,
        )
        CatchUpProvider().perform(self._world, args)

    def _apply(self, follower: str, until: Coordinates) -> tuple[float, dict[str, str]]:
        """Let a follower go; return the seconds until it has executed all, and settings that changed meanwhile."""
        changed: dict[str, str] = {}
        with self._world.session(follower) as session:
            before, began = _in_effect(session), time.monotonic()
            channel.start(session)
            while not (status := _status(session)).executed >= until:
                if error := status.fatal_error:
                    raise BenchFailed(f"replication failed: {error}")
                changed |= dict(_in_effect(session).items() - before.items())
                time.sleep(_LOOK)
            taken = time.monotonic() - began
            if follower == self._replica:
                channel.stop(session)
        return taken, changed

    def _written(self) -> Coordinates:
        with self._world.session(self._source) as source:
            return current(source)

    def _write(self, size: float) -> int:
        """Write so many bytes of binlog, as clients that each commit small transactions; return how many they committed."""
        with ThreadPoolExecutor(_CLIENTS) as executor, self._world.session(self._source) as source:
            since, enough = current(source), threading.Event()
            clients = [executor.submit(self._client, number, enough) for number in range(_CLIENTS)]
            try:
                while bytes_between(source, since) < size and not any(client.done() for client in clients):
                    time.sleep(_LOOK)
            finally:
                enough.set()
            return sum(client.result() for client in clients)

    def _client(self, number: int, enough: threading.Event) -> int:
        """Change two rows and add one, again and again, each client in a table of its own."""
        done = 0
        where = self._where
        with connected(where.name, where.application, database=where.seeded.database) as connection:
            while not enough.is_set():
                with connection.cursor() as cursor:
                    connection.begin()
                    cursor.execute(
                        _UPDATE.format(number=number, column="k = k + 1"), (done * 7919 % _ROWS + 1,)
                    )
                    cursor.execute(
                        _UPDATE.format(number=number, column="c = REVERSE(c)"), (done * 104729 % _ROWS + 1,)
                    )
                    cursor.execute(_INSERT.format(number=number), (done, str(done) * 20, str(done) * 10))
                    connection.commit()
                done += 1
        return done


def _status(session: Session) -> ReplicaStatus:
    status = channel.status(session)
    if status is None:
        raise BenchFailed(f"{session.endpoint} follows nobody")
    return status


def _in_effect(session: Session) -> dict[str, str]:
    return {name: str(session.value(f"SELECT @@GLOBAL.{name}")) for name in RELAXED}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """The program's clients find the sandbox as they find AWS: in the environment."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    sys.exit(main())
