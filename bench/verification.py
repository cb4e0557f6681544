"""Verification against `CHECKSUM TABLE`: `python -m bench.verification --rows 1000000 --engine 8.0`.

Two servers hold the same tables. Each way of comparing runs on both; what is measured is the time until both have answered, and the
CPU time that the servers spent.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from demo.workspace import ROOT
from replication.session import Credentials, Endpoint, Session, Tls, connect
from sandbox.mysql import CertificateAuthority, MySQLServer, find_binaries
from verification.comparison import Comparison
from verification.memory import Memory
from verification.plan import How

__all__ = ["main"]

_USER, _PASSWORD = "admin", "not a secret: the servers live for minutes"
_TABLES = 4
_NETWORK = "127.88.0"
_TICKS = os.sysconf("SC_CLK_TCK")
_PARAMETERS = {"innodb_buffer_pool_size": str(1024**3), "event_scheduler": "OFF"}
_CREATE = (
    "CREATE TABLE {name} (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, customer INT, item VARCHAR(60) NOT NULL,"
    " note VARCHAR(100), price DECIMAL(12,2), ordered DATETIME, number BIGINT NOT NULL, state TINYINT) CHARACTER SET utf8mb4"
)
_FIRST = "INSERT INTO {name} (customer, item, note, price, ordered, number, state) VALUES (1, 'first', 'x', 1, NOW(), 7, 1)"
_DOUBLE = (
    "INSERT INTO {name} (customer, item, note, price, ordered, number, state)"
    " SELECT FLOOR(RAND() * 1e6), CONCAT('item number ', RAND()), IF(RAND() < .1, NULL, REPEAT(MD5(RAND()), 2)),"
    " RAND() * 1e6, NOW() - INTERVAL FLOOR(RAND() * 1e6) SECOND, FLOOR(RAND() * 1e15), 3 FROM {name} LIMIT {rows}"
)


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
        """Rows for each second; those of one side."""
        return self.rows / self.seconds


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="bench.verification", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large table")
    parser.add_argument("--runs", type=int, default=3, help="the median of so many counts")
    parser.add_argument("--engine", choices=("8.0", "5.7"), default="8.0")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="bench-verification-") as directory:
        figures = _measure(Path(directory), options.engine, options.rows, options.runs, console)
    console.print(_table(figures))
    _write(figures, options, console)
    return 0


def _measure(directory: Path, engine: str, rows: int, runs: int, console: Console) -> list[Figure]:
    figures: list[Figure] = []
    for tables in (1, _TABLES):
        what = "one table" if tables == 1 else f"{tables} tables"
        console.print(f"{what}: filling …")
        with _servers(directory / what, engine, tables, rows) as servers:
            count, size = _size(servers)
            ways: list[tuple[str, Callable[[], None]]] = [
                ("CHECKSUM TABLE, one server after the other", partial(_checksum, servers, at_once=False)),
                ("CHECKSUM TABLE, both at once", partial(_checksum, servers, at_once=True)),
                ("verification, 1 session on each", partial(_verify, servers, 1)),
                ("verification, 4 sessions on each", partial(_verify, servers, 4)),
            ]
            for name, run in ways:
                timed = [_timed(servers, run) for _ in range(runs)]
                figures.append(_median(name, what, count, size, timed))
                console.print(f"{what}: {name}: {figures[-1].seconds:.2f} s")
    return figures


@contextmanager
def _servers(directory: Path, engine: str, tables: int, rows: int) -> Iterator[Servers]:
    """Fill one server, and make the other of its files."""
    directory.mkdir()
    certificates = CertificateAuthority(directory)

    def place(number: int) -> dict[str, Any]:
        return {
            "directory": directory / f"server-{number}",
            "binaries": find_binaries(engine),
            "address": f"{_NETWORK}.{number}",
            "port": 3306,
            "server_id": number,
            "certificates": certificates,
        }

    one = MySQLServer(**place(1))
    made = [one]
    try:
        one.initialise(master_user=_USER, master_password=_PASSWORD, database="bench")
        one.start(_PARAMETERS, binlog=False)
        servers = Servers(one, one, directory / "ca.pem")
        _fill(servers, tables, rows)
        one.stop()
        one.copy_data(directory / "copy")
        other = MySQLServer.adopt(directory / "copy", **place(2))
        made.append(other)
        for server in made:
            server.start(_PARAMETERS, binlog=False)
        yield Servers(one, other, directory / "ca.pem")
    finally:
        for server in made:
            server.kill()


def _fill(servers: Servers, tables: int, rows: int) -> None:
    with servers.session(servers.one) as session:
        session.execute("USE bench")
        for number in range(tables):
            name, wanted = f"t{number}", rows // tables
            session.execute(_CREATE.format(name=name))
            session.execute(_FIRST.format(name=name))
            have = 1
            while have < wanted:
                session.execute(_DOUBLE.format(name=name, rows=wanted - have))
                have = int(session.value(f"SELECT COUNT(*) FROM {name}"))  # noqa: S608 - a name of ours
            session.execute(f"ANALYZE TABLE {name}")


def _names(session: Session) -> list[str]:
    return [
        str(row["t"])
        for row in session.rows(
            "SELECT table_name AS t FROM information_schema.tables WHERE table_schema = 'bench'"
        )
    ]


def _checksum(servers: Servers, *, at_once: bool) -> None:
    def run(server: MySQLServer) -> list[object]:
        with servers.session(server) as session:
            return [session.rows(f"CHECKSUM TABLE bench.{name}") for name in _names(session)]

    if at_once:
        with ThreadPoolExecutor(2) as executor:
            ours, theirs = executor.map(run, (servers.one, servers.other))
    else:
        ours, theirs = run(servers.one), run(servers.other)
    if ours != theirs:
        raise SystemExit("the two servers do not hold the same")


def _verify(servers: Servers, threads: int) -> None:
    comparison = Comparison(
        partial(servers.session, servers.one),
        partial(servers.session, servers.other),
        How(threads=threads),
        Memory(None, ""),
    )
    comparison.advance()
    if not comparison.result.clean:
        raise SystemExit(f"the two servers do not hold the same: {comparison.result.differences[:3]}")


def _size(servers: Servers) -> tuple[int, int]:
    """Return rows and bytes of one side."""
    with servers.session(servers.one) as session:
        size = session.value(
            "SELECT SUM(data_length) FROM information_schema.tables WHERE table_schema = 'bench'"
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


def _table(figures: list[Figure]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for title in ("data", "way", "seconds", "rows/s", "MB/s", "CPU s", "× CHECKSUM TABLE"):
        table.add_column(title, justify="left" if title in {"data", "way"} else "right")
    peers = {figure.what: figure for figure in reversed(figures) if figure.name.startswith("CHECKSUM")}
    for figure in figures:
        table.add_row(
            figure.what,
            figure.name,
            f"{figure.seconds:.2f}",
            f"{figure.rate:,.0f}",
            f"{figure.bytes / 1e6 / figure.seconds:.0f}",
            f"{figure.cpu:.1f}",
            f"{figure.rate / peers[figure.what].rate:.2f}",
        )
    return table


def _write(figures: list[Figure], options: argparse.Namespace, console: Console) -> None:
    file = ROOT / "build" / "bench-verification.json"
    file.parent.mkdir(exist_ok=True)
    content = {
        "engine": options.engine,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, shared by both servers and the client",
        "figures": [asdict(figure) for figure in figures],
    }
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(f"Written to {file.relative_to(ROOT)}.")


if __name__ == "__main__":
    sys.exit(main())
