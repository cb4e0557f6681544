"""Verification against `CHECKSUM TABLE` and `pt-table-checksum`: `python -m dev.bench.verification --rows 1000000 --engine 8.0`.

Two servers hold the same tables. Each way of comparing runs on one of them, or on both; what is measured is the time until all have
answered, and the CPU time that the servers spent. The shape of a row decides more than anything: `orders` has eight short columns,
`sysbench` is the table of that benchmark, two numbers and 180 characters. `pt-table-checksum` is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from rich.console import Console

from dev.bench import command
from dev.bench.command import BenchFailed
from dev.bench.lines import Limit, Line, at_least, show
from dev.bench.percona import TOOL, following, installed, pt_table_checksum
from dev.sandbox.mysql import CertificateAuthority, MySQLServer, find_binaries
from rds_encrypt.mysql.session import Credentials, Endpoint, Session, Tls, connect
from rds_encrypt.settings import VerifySettings
from rds_encrypt.verification.checkpoint import Checkpoint
from rds_encrypt.verification.checksum import checksum_statement, text_budget
from rds_encrypt.verification.comparison import Comparison
from rds_encrypt.verification.plan import rows_of_a_part
from rds_encrypt.verification.ranges import ranges
from rds_encrypt.verification.sessions import prepare
from rds_encrypt.verification.tables import inventory

__all__ = ["Figure", "Way", "lines_of", "main", "measure", "parse"]

_USER, _PASSWORD = "admin", "not a secret: the servers live for minutes"
_NETWORK = "127.88.0"
_TICKS = os.sysconf("SC_CLK_TCK")
_SCHEMA = "bench"
_ONE_TABLE, _TOTAL, _PERCONA = at_least(0.8), at_least(1.0), at_least(3.0)


@dataclass(frozen=True)
class Shape:
    """A table: how it is made, its first row, and how more rows are made from those that it has."""

    create: str
    first: str
    more: str


SHAPES = {
    "orders": Shape(
        "CREATE TABLE {name} (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, customer INT, item VARCHAR(60) NOT NULL,"
        " note VARCHAR(100), price DECIMAL(12,2), ordered DATETIME, number BIGINT NOT NULL, state TINYINT) CHARACTER SET utf8mb4",
        "INSERT INTO {name} (customer, item, note, price, ordered, number, state) VALUES (1, 'first', 'x', 1, NOW(), 7, 1)",
        "INSERT INTO {name} (customer, item, note, price, ordered, number, state)"
        " SELECT FLOOR(RAND() * 1e6), CONCAT('item number ', RAND()), IF(RAND() < .1, NULL, SHA2(RAND(), 256)),"
        " RAND() * 1e6, NOW() - INTERVAL FLOOR(RAND() * 1e6) SECOND, FLOOR(RAND() * 1e15), 3 FROM {name} LIMIT {rows}",
    ),
    "sysbench": Shape(
        "CREATE TABLE {name} (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT UNSIGNED NOT NULL DEFAULT 0,"
        " c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', KEY k_1 (k)) CHARACTER SET utf8mb4",
        "INSERT INTO {name} (k, c, pad) VALUES (1, 'first', 'x')",
        "INSERT INTO {name} (k, c, pad) SELECT FLOOR(RAND() * 1e6),"
        " REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e11), 11, '0'), '-'), 10),"
        " REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e11), 11, '0'), '-'), 5) FROM {name} LIMIT {rows}",
    ),
}


class Way(StrEnum):
    """The ways of comparing."""

    CHECKSUM = "one server: CHECKSUM TABLE"
    ONE_SESSION = "one server: ours, 1 session"
    TWO_SESSIONS = "one server: ours, 2 sessions"
    CHECKSUM_IN_TURN = "both servers: CHECKSUM TABLE, one after the other"
    CHECKSUM_AT_ONCE = "both servers: CHECKSUM TABLE, both at once"
    VERIFY = "both servers: verification, 4 sessions on each"
    PERCONA = f"both servers: {TOOL}"


@dataclass(frozen=True)
class Servers:
    """The two, and how to reach them."""

    one: MySQLServer
    other: MySQLServer
    authority: Path

    @contextmanager
    def session(self, server: MySQLServer) -> Iterator[Session]:
        account = Credentials(_USER, _PASSWORD)
        endpoint = Endpoint(server.address, server.port)
        with connect(endpoint, account, Tls(str(self.authority)), read_timeout=3600) as session:
            yield session

    def cpu(self) -> float:
        """Seconds of CPU that both have used so far."""
        return sum(_cpu(server.pid) for server in (self.one, self.other))


@dataclass(frozen=True)
class Figure:
    """One way of comparing, measured."""

    name: str
    what: str
    rows: int
    bytes: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Rows per second, those of one side."""
        return self.rows / self.seconds


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the lines, write the figures."""
    options = parse(arguments)

    def run(console: Console) -> int:
        figures = measure(options, console)
        rows = {"buffer_pool_mib": options.pool, "figures": [asdict(figure) for figure in figures]}
        command.write(f"bench-verification-{options.engine}", rows, options.engine, console)
        return show(console, list(lines_of(figures)))

    return command.run(run)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return what was asked for, and the default of everything else."""
    parser = command.parser("dev.bench.verification", __doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in all tables together")
    parser.add_argument("--runs", type=int, default=3, help="the median of so many counts")
    parser.add_argument("--shapes", nargs="+", choices=tuple(SHAPES), default=list(SHAPES))
    parser.add_argument("--tables", nargs="+", type=int, default=[1, 4], help="into how many tables they go")
    parser.add_argument("--pool", type=int, default=1024, help="each server's buffer pool, in MiB")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, console: Console) -> list[Figure]:
    """Measure all ways on all data that was asked for."""
    if not installed():
        console.print(f"{TOOL} is not installed (on Debian: the package percona-toolkit), so it is left out.")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-verification-") as directory:
        for shape in options.shapes:
            for tables in options.tables:
                place = Path(directory, f"{shape}-{tables}")
                figures += _measure(place, shape, tables, options, console)
    return figures


def _measure(
    directory: Path, shape: str, tables: int, options: argparse.Namespace, console: Console
) -> list[Figure]:
    what = f"{shape}, {tables} table{'s' if tables > 1 else ''}"
    parameters = {"innodb_buffer_pool_size": f"{options.pool}M", "event_scheduler": "OFF"}
    console.print(f"{what}: filling …")
    figures: list[Figure] = []
    made = _servers(
        directory, options.engine, SHAPES[shape], tables=tables, rows=options.rows, parameters=parameters
    )
    with made as servers:
        count, size = _size(servers)

        def measure(name: str, run: Callable[[], None], runs: int) -> None:
            timed = [_timed(servers, run) for _ in range(runs)]
            figures.append(_median(name, what, count, size, timed))
            console.print(f"{what}: {name}: {figures[-1].seconds:.2f} s")

        ways: list[tuple[Way, Callable[[], None]]] = [
            (Way.CHECKSUM, partial(_checksum, servers, [servers.one])),
            (Way.ONE_SESSION, partial(_ours, servers, 1)),
            (Way.TWO_SESSIONS, partial(_ours, servers, 2)),
            (Way.CHECKSUM_IN_TURN, partial(_checksum_in_turn, servers)),
            (Way.CHECKSUM_AT_ONCE, partial(_checksum, servers, [servers.one, servers.other])),
            (Way.VERIFY, partial(_verify, servers)),
        ]
        for name, run in ways:
            measure(name, run, options.runs)
        if installed():
            with following(servers.one, servers.other, parameters):
                measure(
                    Way.PERCONA,
                    partial(pt_table_checksum, servers.one, servers.other, _SCHEMA),
                    1,
                )
    return figures


@contextmanager
def _servers(
    directory: Path, engine: str, shape: Shape, *, tables: int, rows: int, parameters: dict[str, str]
) -> Iterator[Servers]:
    """Fill one server, and make the other from its files."""
    directory.mkdir()
    certificates = CertificateAuthority(directory)

    one, other = made = [
        MySQLServer(
            directory=directory / f"server-{number}",
            binaries=find_binaries(engine),
            address=f"{_NETWORK}.{number}",
            port=3306,
            server_id=number,
            certificates=certificates,
        )
        for number in (1, 2)
    ]
    try:
        one.initialise(master_user=_USER, master_password=_PASSWORD, database=_SCHEMA)
        one.start(parameters, binlog=False)
        servers = Servers(one, one, directory / "ca.pem")
        _fill(servers, shape, tables, rows)
        one.stop()
        one.copy_data(directory / "copy")
        other.adopt(directory / "copy")
        for server in made:
            server.start(parameters, binlog=False)
        yield Servers(one, other, directory / "ca.pem")
    finally:
        for server in made:
            server.kill()


def _fill(servers: Servers, shape: Shape, tables: int, rows: int) -> None:
    with servers.session(servers.one) as session:
        session.execute(f"USE {_SCHEMA}")
        for number in range(tables):
            name, target = f"t{number}", rows // tables
            session.execute(shape.create.format(name=name))
            session.execute(shape.first.format(name=name))
            have = 1
            while have < target:
                session.execute(shape.more.format(name=name, rows=target - have))
                have = int(session.value(f"SELECT COUNT(*) FROM {name}"))  # noqa: S608 - a name of ours
            session.execute(f"ANALYZE TABLE {name}")


def _names(session: Session) -> list[str]:
    return [
        str(row["t"])
        for row in session.rows(
            "SELECT table_name AS t FROM information_schema.tables WHERE table_schema = %s", _SCHEMA
        )
    ]


def _checksum(servers: Servers, of: Sequence[MySQLServer]) -> None:
    """Let servers answer at the same time, each for its tables one after the other."""

    def run(server: MySQLServer) -> list[object]:
        with servers.session(server) as session:
            return [session.rows(f"CHECKSUM TABLE {_SCHEMA}.{name}") for name in _names(session)]

    with ThreadPoolExecutor(len(of)) as executor:
        answers = list(executor.map(run, of))
    if any(answer != answers[0] for answer in answers):
        raise BenchFailed("the two servers do not hold the same")


def _checksum_in_turn(servers: Servers) -> None:
    for server in (servers.one, servers.other):
        _checksum(servers, [server])


def _ours(servers: Servers, threads: int) -> None:
    """Ask one server for the checksum of every range, with so many sessions, and compare it with nothing."""
    waiting: SimpleQueue[str] = SimpleQueue()

    def work(session: Session) -> None:
        while True:
            try:
                statement = waiting.get_nowait()
            except Empty:
                return
            session.rows(statement)

    with ExitStack() as stack:
        sessions = [stack.enter_context(servers.session(servers.one)) for _ in range(threads)]
        for session in sessions:
            prepare(session)
        budget = text_budget(sessions[0])
        for table in inventory(sessions[0]).values():
            for part in ranges(sessions[0], table, rows_of_a_part(table)):
                waiting.put(checksum_statement(sessions[0], table, part, budget))
        with ThreadPoolExecutor(threads) as executor:
            list(executor.map(work, sessions))


def _verify(servers: Servers) -> None:
    comparison = Comparison(
        partial(servers.session, servers.one),
        partial(servers.session, servers.other),
        VerifySettings(threads=4),
        Checkpoint(None, ""),
    )
    comparison.advance()
    if not comparison.result.clean:
        raise BenchFailed(f"the two servers do not hold the same: {comparison.result.differences[:3]}")


def _size(servers: Servers) -> tuple[int, int]:
    """Return rows and bytes of one side."""
    with servers.session(servers.one) as session:
        size = session.value(
            "SELECT SUM(data_length) FROM information_schema.tables WHERE table_schema = %s", _SCHEMA
        )
        counts = [session.value(f"SELECT COUNT(*) FROM bench.{name}") for name in _names(session)]  # noqa: S608 - a name of ours
        return sum(map(int, counts)), int(size)


def _timed(servers: Servers, run: Callable[[], None]) -> tuple[float, float]:
    before, began = servers.cpu(), time.monotonic()
    run()
    return time.monotonic() - began, servers.cpu() - before


def _median(name: str, what: str, rows: int, size: int, runs: list[tuple[float, float]]) -> Figure:
    seconds, cpu = (statistics.median(values) for values in zip(*runs, strict=True))
    return Figure(name, what, rows, size, seconds, cpu)


def _cpu(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def lines_of(figures: Sequence[Figure]) -> Iterator[Line]:
    """Return the speeds of one side's rows, and the processor time that the servers spent."""
    by_way = {(figure.what, figure.name): figure for figure in figures}
    for what in dict.fromkeys(figure.what for figure in figures):
        one_table = ", 1 table" in what
        for ours, peer, limit, name in (
            (Way.ONE_SESSION, Way.CHECKSUM, None, "one server, one session"),
            (Way.TWO_SESSIONS, Way.CHECKSUM, None, "one server, two sessions"),
            (Way.VERIFY, Way.CHECKSUM_IN_TURN, _ONE_TABLE if one_table else _TOTAL, "both servers"),
            (Way.VERIFY, Way.CHECKSUM_AT_ONCE, None, "both servers"),
            (Way.VERIFY, Way.PERCONA, _PERCONA, "both servers"),
        ):
            if (what, peer) in by_way:
                yield _speed(f"verification, {what}, {name}", by_way[what, ours], by_way[what, peer], limit)
        ours_, peer_ = by_way[what, Way.VERIFY], by_way[what, Way.CHECKSUM_IN_TURN]
        yield Line(
            f"verification, {what}, data",
            _megabytes(ours_),
            "MB/s",
            _megabytes(peer_),
            _label(Way.CHECKSUM_IN_TURN),
        )
        for way in (Way.CHECKSUM_IN_TURN, Way.PERCONA):
            if (what, way) in by_way:
                cpu = by_way[what, way].cpu
                yield Line(
                    f"verification, {what}, processor time of the servers", ours_.cpu, "s", cpu, _label(way)
                )


def _speed(name: str, ours: Figure, peer: Figure, limit: Limit | None) -> Line:
    return Line(name, ours.rate, "rows/s", peer.rate, _label(Way(peer.name)), limit)


def _label(way: Way) -> str:
    return way.partition(": ")[2]


def _megabytes(figure: Figure) -> float:
    return figure.bytes / 1e6 / figure.seconds


if __name__ == "__main__":
    sys.exit(main())
