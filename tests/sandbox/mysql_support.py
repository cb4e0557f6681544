"""What the tests of hosted servers share: a place to keep them, sessions to them, and waiting."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from dev.sandbox.mysql import CertificateAuthority, MySQLBinaries, MySQLServer, find_binaries
from dev.sandbox.mysql.vocabulary import run
from dev.sandbox.network import Network

VERSIONS = ("8.0", "5.7", "9.7")
ALL_WORDS = (*VERSIONS, "8.0.15")
"""Where the words matter: the oldest 8.0 has the privileges of 8.0, and the words of 5.7."""
MASTER = "admin"
PASSWORD = "it's a \\ password"
GIVEN: Mapping[str, str] = {"event_scheduler": "OFF"}
NO_MORE: Mapping[str, str] = {}

_numbers = itertools.count(1)


class Farm:
    """Servers of one version in one directory; whatever happens, none outlives it."""

    def __init__(self, directory: Path, version: str) -> None:
        self.directory = directory
        self.binaries: MySQLBinaries = find_binaries(version)
        self.certificates = CertificateAuthority(directory)
        self._network = Network.acquire(directory)
        self._servers: list[MySQLServer] = []

    def _place(self) -> MySQLServer:
        """A server without data, with a directory, an address and an id of its own."""
        number = next(_numbers)
        server = MySQLServer(
            directory=self.directory / f"server-{number}",
            binaries=self.binaries,
            address=self._network.address(f"server-{number}"),
            port=3306,
            server_id=100 + number,
            certificates=self.certificates,
        )
        self._servers.append(server)
        return server

    def new(self, parameters: Mapping[str, str] = NO_MORE) -> MySQLServer:
        server = self._place()
        server.initialise(master_user=MASTER, master_password=PASSWORD, database="shop")
        server.start({**GIVEN, **parameters}, binlog=True)
        return server

    def adopt(self, snapshot: Path) -> MySQLServer:
        server = self._place()
        server.adopt(snapshot)
        return server

    def close(self) -> None:
        for server in self._servers:
            server.kill()
        self._network.release()

    @classmethod
    @contextmanager
    def open(cls, directory: Path, version: str) -> Iterator[Farm]:
        farm = cls(directory, version)
        try:
            yield farm
        finally:
            farm.close()


class Session:
    """A client of a server, over verified TLS."""

    def __init__(
        self, server: MySQLServer, user: str = MASTER, password: str = PASSWORD, **options: Any
    ) -> None:
        authority = server.directory.parent / "ca.pem"
        given: dict[str, Any] = {
            "host": server.address,
            "port": server.port,
            "user": user,
            "password": password,
            "database": "shop",
            "autocommit": True,
            "cursorclass": DictCursor,
            "ssl_ca": str(authority),
            "ssl_verify_cert": True,
            "ssl_verify_identity": True,
        }
        self.connection = pymysql.connect(**{**given, **options})

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        with self.connection.cursor() as cursor:
            return run(cursor, statement, values or None)

    def value(self, statement: str, *values: object) -> Any:
        return next(iter(self.rows(statement, *values)[0].values()))

    def refusal(self, statement: str, *values: object) -> tuple[int, str]:
        """The error that a statement ends with."""
        try:
            rows = self.rows(statement, *values)
        except pymysql.err.MySQLError as error:
            return int(error.args[0]), str(error.args[1])
        raise AssertionError(f"{statement} was not refused, and returned {rows}")
