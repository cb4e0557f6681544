"""Sessions of the master user, and what the facts about servers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from dev.sandbox.mysql.vocabulary import run
from tests.conformance.account import Account, until

__all__ = ["SECRET", "Server", "error_of", "make_follower", "open_server", "until_threads"]

SECRET = "a-Follower's-secret1"


@dataclass(frozen=True)
class Server:
    """An instance and a session of its master user."""

    account: Account
    resource_id: str
    cursor: DictCursor

    @property
    def identifier(self) -> str:
        return str(self.account.see(self.resource_id)["DBInstanceIdentifier"])

    @property
    def address(self) -> str:
        return str(self.account.see(self.resource_id)["Endpoint"]["Address"])

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """The rows of a statement, of all its answers: a procedure may return something, and then fail."""
        rows = run(self.cursor, statement, values or None)
        while self.cursor.nextset():
            rows += self.cursor.fetchall()
        return rows

    def value(self, statement: str, *values: object) -> Any:
        return next(iter(self.rows(statement, *values)[0].values()))

    def status(self) -> dict[str, Any]:
        """SHOW SLAVE STATUS, empty where no source is configured."""
        rows = self.rows("SHOW SLAVE STATUS")
        return rows[0] if rows and rows[0]["Master_Host"] else {}

    def threads(self) -> tuple[str, str]:
        status = self.status()
        return status["Slave_IO_Running"], status["Slave_SQL_Running"]

    def coordinates(self) -> tuple[str, int]:
        status = self.rows("SHOW MASTER STATUS")[0]
        return status["File"], status["Position"]

    def files(self) -> list[str]:
        return [row["Log_name"] for row in self.rows("SHOW BINARY LOGS")]

    def events(self, file: str) -> list[dict[str, Any]]:
        return self.rows("SHOW BINLOG EVENTS IN %s", file)


@contextmanager
def open_server(account: Account, resource_id: str) -> Iterator[Server]:
    with account.sql(account.see(resource_id)["Endpoint"]["Address"]) as cursor:
        yield Server(account, resource_id, cursor)


def make_follower(account: Account, source: Server, identifier: str, snapshot: str) -> str:
    """An instance restored from a snapshot of the source, and the account that it can follow with."""
    source.rows("CREATE USER IF NOT EXISTS follower@'%%' IDENTIFIED BY %s", SECRET)
    source.rows("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO follower@'%'")
    account.snapshot(snapshot, source.identifier)
    return account.restore(identifier, snapshot, BackupRetentionPeriod=1)


def error_of(server: Server, statement: str, *values: object) -> tuple[int, str]:
    """Return the error that a statement ends with."""
    try:
        rows = server.rows(statement, *values)
    except pymysql.err.MySQLError as error:
        return int(error.args[0]), str(error.args[1])
    raise AssertionError(f"{statement} was not refused, and returned {rows}")


def until_threads(server: Server, *expected: str) -> None:
    until(server.threads, lambda threads: threads == expected)
