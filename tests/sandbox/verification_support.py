"""Two servers that hold the same, and the comparison of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dev.sandbox.mysql import MySQLServer
from rds_encrypt.mysql.session import Credentials, Endpoint, Session, Tls, connect
from rds_encrypt.settings import VerifySettings
from rds_encrypt.verification.checkpoint import Checkpoint
from rds_encrypt.verification.comparison import Comparison
from rds_encrypt.verification.plan import Result
from tests.sandbox.mysql_support import MASTER, NO_MORE, PASSWORD, Farm

__all__ = ["Twins", "twins"]


@dataclass
class Twins:
    """Two servers without replication between them: what is run on both is the same, the rest is a corruption."""

    reference: MySQLServer
    copy: MySQLServer
    ours: Session
    theirs: Session

    def both(self, *statements: str) -> None:
        for statement in statements:
            self.ours.execute(statement)
            self.theirs.execute(statement)

    def corrupt(self, *statements: str) -> None:
        """Change the copy alone."""
        for statement in statements:
            self.theirs.execute(statement)

    def comparison(
        self, checkpoint: Checkpoint | None = None, *, rows: int | None = None, named: int = 10, **how: Any
    ) -> Comparison:
        return Comparison(
            partial(session, self.reference),
            partial(session, self.copy),
            VerifySettings(**{"threads": 2, **how}),
            checkpoint or Checkpoint(None, ""),
            most_named=named,
            rows_per_range=rows,
            master=MASTER,
        )

    def compare(self, **how: Any) -> Result:
        comparison = self.comparison(**how)
        assert comparison.advance()
        return comparison.result

    def found(self, **how: Any) -> list[str]:
        """The differences, as sentences."""
        return [str(difference) for difference in self.compare(**how).differences]

    def identified(self, letter: str) -> str:
        """A password as both servers store it: given in plain text, each would salt it in its own way."""
        if self.ours.version >= (8, 4, 0):
            return f"IDENTIFIED WITH caching_sha2_password AS '$A$005${letter * 63}'"
        return f"IDENTIFIED WITH mysql_native_password AS '*{letter * 40}'"

    def empty(self) -> None:
        """Bring both back to an empty database of the same character set."""
        self.both("DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop CHARACTER SET utf8mb4", "USE shop")


@contextmanager
def session(
    server: MySQLServer, *, database: str | None = None, user: str = MASTER, password: str = PASSWORD
) -> Iterator[Session]:
    authority = str(server.directory.parent / "ca.pem")
    with connect(
        Endpoint(server.address, server.port), Credentials(user, password), Tls(authority), read_timeout=600
    ) as opened:
        if database:
            opened.execute(f"USE {database}")
        yield opened


@contextmanager
def twins(directory: Path, version: str, parameters: Mapping[str, str] = NO_MORE) -> Iterator[Twins]:
    with Farm.open(directory, version) as farm:
        reference, copy = farm.new(parameters), farm.new(parameters)
        with session(reference, database="shop") as ours, session(copy, database="shop") as theirs:
            pair = Twins(reference, copy, ours, theirs)
            pair.both("SET time_zone = '+00:00'")
            pair.empty()
            yield pair
