"""`pt-table-checksum` of Percona Toolkit on the bench's two servers, with the settings that it comes with.

It compares a source with its replicas: it writes the checksum of every chunk into a table of the source, as a statement that the
replica repeats. So the second server is made a replica of the first for as long as it runs.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev.bench.command import BenchFailed
from dev.sandbox.mysql import MySQLServer
from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import ADMIN, SOCKET, execute, query

__all__ = ["TOOL", "following", "installed", "pt_table_checksum"]

TOOL = "pt-table-checksum"
_STATEMENTS = {"binlog_format": "STATEMENT"}
_CREATE = (
    "CREATE TABLE percona.dsns (id INT AUTO_INCREMENT PRIMARY KEY, parent_id INT, dsn VARCHAR(255) NOT NULL)"
)


def installed() -> bool:
    """Whether this machine has it."""
    return shutil.which(TOOL) is not None


@contextmanager
def following(source: MySQLServer, replica: MySQLServer, parameters: Mapping[str, str]) -> Iterator[None]:
    """Let the second server, which holds the same, follow the first; both are restarted."""
    for server in (source, replica):
        server.stop()
    source.start({**parameters, **_STATEMENTS}, binlog=True)
    replica.start(parameters, binlog=False)
    # At its first start with a binary log, nothing is in there that the replica lacks.
    replica.replicate_from(source, source.coordinates())
    files = [_options(server) for server in (source, replica)]
    try:
        with source.admin() as session:
            execute(session, "SET SESSION sql_log_bin = 1")
            execute(session, "CREATE DATABASE percona")
            execute(session, _CREATE)
            execute(session, "INSERT INTO percona.dsns (dsn) VALUES (%s)", (f"F={files[1]}",))
        yield
    finally:
        for file in files:
            file.unlink()


def pt_table_checksum(source: MySQLServer, replica: MySQLServer, database: str) -> None:
    """Run it over a database, and require that it has compared all of it with the replica.

    Raises:
        BenchFailed: it failed, or found something to differ.
    """
    command = [
        TOOL,
        f"F={_file(source)}",
        f"--databases={database}",
        "--recursion-method=dsn=D=percona,t=dsns",
        # Its replicas need not use statements themselves; and it would ask its maker for news.
        "--no-check-binlog-format",
        "--no-version-check",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"{TOOL} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    counts = []
    for server in (source, replica):
        with server.admin() as session:
            counts += query(
                session,
                "SELECT COUNT(*) AS chunks, SUM(this_cnt) AS n, SUM(this_crc <> master_crc) AS wrong FROM percona.checksums",
            )
    if counts[0] != counts[1] or counts[0]["wrong"] or not counts[0]["n"]:
        raise BenchFailed(f"{TOOL} has not compared the replica: {counts}\n{done.stdout}{done.stderr}")


def _file(server: MySQLServer) -> Path:
    return server.directory / "client.cnf"


def _options(server: MySQLServer) -> Path:
    """Write the file from which it reads how to log in: nothing of that on a command line."""
    file = _file(server)
    file.touch(mode=0o600)
    password = HostSecrets.of(server.data).admin
    file.write_text(
        f"[client]\nsocket={server.directory / SOCKET}\nuser={ADMIN}\npassword={password}\n", encoding="utf-8"
    )
    return file
