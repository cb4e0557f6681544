"""Connections to MySQL as a client of the account makes them: by address, over verified TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pymysql
from pymysql.cursors import DictCursor

from dev.sandbox.mysql.vocabulary import run

__all__ = ["Account", "Address", "Connection", "account", "address", "connect", "connected", "rows", "value"]

# As a careful application does: what it depends on, it does not leave to the server's parameter group.
_PINNED = (
    "SET SESSION autocommit = 1, completion_type = NO_CHAIN, time_zone = '+00:00', sql_mode = 'NO_ENGINE_SUBSTITUTION', wait_timeout = 28800, max_execution_time = 0,"
    " sql_select_limit = 18446744073709551615, group_concat_max_len = 1048576, lock_wait_timeout = 60,"
    " transaction_isolation = 'REPEATABLE-READ'"
)

# A name only: at run time the class takes no parameter.
Connection: TypeAlias = "pymysql.Connection[DictCursor]"


@dataclass(frozen=True)
class Account:
    """A MySQL account; the password never shows in ``repr``."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Address:
    """Where a server listens, and the authorities that its certificate must be signed by."""

    host: str
    port: int
    authorities: Path


def account(secrets: Any, secret: str) -> Account:
    """Read an account from Secrets Manager."""
    found = json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"])
    return Account(found["username"], found["password"])


def address(rds: Any, identifier: str, authorities: Path) -> Address:
    """Look up where an instance answers."""
    endpoint = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]["Endpoint"]
    return Address(endpoint["Address"], endpoint["Port"], authorities)


def connect(
    where: Address, who: Account, *, database: str | None = None, timeout: float = 30.0
) -> Connection:
    """Open one connection in autocommit mode that does not depend on the server's parameter group."""
    return pymysql.connect(
        host=where.host,
        port=where.port,
        user=who.user,
        password=who.password,
        database=database,
        charset="utf8mb4",
        autocommit=True,
        init_command=_PINNED,
        connect_timeout=int(min(timeout, 10)),
        read_timeout=timeout,
        write_timeout=timeout,
        ssl_ca=str(where.authorities),
        ssl_verify_cert=True,
        ssl_verify_identity=True,
        cursorclass=DictCursor,
    )


@contextmanager
def connected(where: Address, who: Account, *, database: str | None = None) -> Iterator[Connection]:
    """Open one connection for the length of a ``with`` block."""
    connection = connect(where, who, database=database)
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: Connection, statement: str, *arguments: object) -> list[dict[str, Any]]:
    """Run one statement and return its rows."""
    with connection.cursor() as cursor:
        return run(cursor, statement, arguments or None)


def value(connection: Connection, statement: str, *arguments: object) -> Any:
    """Run one statement and return the first column of its first row."""
    found = rows(connection, statement, *arguments)
    return next(iter(found[0].values())) if found else None
