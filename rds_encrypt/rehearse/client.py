"""Connections to MySQL as an application makes them: by address, over verified TLS, independent of the server's parameter group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pymysql
from pymysql.cursors import DictCursor

from rds_encrypt.mysql.session import Credentials
from rds_encrypt.mysql.tunnel import Endpoint, OpenTunnel

__all__ = ["Address", "Connection", "connect", "connected"]

# As a careful application does: it sets what it depends on instead of leaving it to the server's parameter group.
_PINNED = (
    "SET SESSION autocommit = 1, completion_type = NO_CHAIN, time_zone = '+00:00', sql_mode = 'NO_ENGINE_SUBSTITUTION', wait_timeout = 28800, max_execution_time = 0,"
    " sql_select_limit = 18446744073709551615, group_concat_max_len = 1048576, lock_wait_timeout = 60,"
    " transaction_isolation = 'REPEATABLE-READ'"
)

# A name only: at run time the class takes no parameter.
Connection: TypeAlias = "pymysql.Connection[DictCursor]"


@dataclass(frozen=True)
class Address:
    """Where a server listens, and the authorities that its certificate must be signed by."""

    host: str
    port: int
    authorities: Path
    open_tunnel: OpenTunnel | None = field(default=None, compare=False)
    """Opens a tunnel to it, if it is not reached directly."""


def connect(
    where: Address, who: Credentials, *, database: str | None = None, timeout: float = 30.0
) -> Connection:
    """Open one connection in autocommit mode that does not depend on the server's parameter group."""
    connection = pymysql.connect(
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
        defer_connect=True,
    )
    tunnel = where.open_tunnel(Endpoint(where.host, where.port)) if where.open_tunnel is not None else None
    connection.connect(tunnel.socket if tunnel is not None else None)
    return connection


@contextmanager
def connected(where: Address, who: Credentials, *, database: str | None = None) -> Iterator[Connection]:
    """Open one connection for the length of a ``with`` block."""
    connection = connect(where, who, database=database)
    try:
        yield connection
    finally:
        connection.close()
