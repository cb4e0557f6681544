"""One connection to one MySQL server, with errors sorted by what to do about them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql
import tenacity
from pymysql.cursors import DictCursor

from foundation.errors import MigrationError, NeedsHuman, OutcomeUnknown, Retryable, WriteRefused

__all__ = ["Credentials", "Endpoint", "Row", "Session", "Tls", "connect", "quote_name"]

Row = dict[str, Any]

# Numbers from MySQL's server and client error reference.
_UNREACHABLE = {2002, 2003, 1040, 1053, 1129, 1203}
_LOST = {2006, 2013, 1317, 3169, 1927}
_BUSY = {1205, 1213}
_DENIED = {1044, 1045, 1142, 1143, 1227, 1370, 1410}
_READ_ONLY = {1290, 1792, 1836}


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Credentials:
    """A MySQL account; the password never shows in ``repr``."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Tls:
    """How sessions are protected: the file with the certificate authorities that a server must be signed by."""

    ca_file: str

    def context(self) -> ssl.SSLContext:
        """Return a context that verifies the chain and the host name.

        Raises:
            NeedsHuman: the file is missing or holds no certificate.
        """
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise NeedsHuman(
                f"no certificate authority could be read ({error})",
                where=self.ca_file,
                fix="Point `caFile` at the RDS CA bundle in PEM format",
            ) from error


class Session:
    """A connection in autocommit mode that returns rows as dictionaries."""

    def __init__(self, connection: pymysql.Connection[DictCursor], endpoint: Endpoint) -> None:
        self._connection = connection
        self.endpoint = endpoint

    @property
    def version(self) -> tuple[int, int, int]:
        """The server's version, such as ``(8, 0, 31)``."""
        text: str = self._connection.get_server_info()  # type: ignore[no-untyped-call]
        numbers = text.split("-", maxsplit=1)[0].split(".")
        return int(numbers[0]), int(numbers[1]), int(numbers[2])

    def rows(self, statement: str, *arguments: object) -> list[Row]:
        """Run one statement and return the rows of its first result set."""
        with self._sorted_errors(), self._connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return list(cursor.fetchall())

    def row(self, statement: str, *arguments: object) -> Row | None:
        """Run one statement and return its first row, if it has one."""
        found = self.rows(statement, *arguments)
        return found[0] if found else None

    def value(self, statement: str, *arguments: object) -> Any:
        """Run one statement and return the first column of its first row."""
        row = self.row(statement, *arguments)
        return next(iter(row.values())) if row else None

    def execute(self, statement: str, *arguments: object) -> None:
        """Run one statement for its effect."""
        self.rows(statement, *arguments)

    def call(self, procedure: str, *arguments: object) -> list[Row]:
        """Call a stored procedure and return the rows of *all* its result sets.

        RDS's procedures report refusals as result sets, not as errors, so nothing may be left unread.
        """
        placeholders = ", ".join(["%s"] * len(arguments))
        found: list[Row] = []
        with self._sorted_errors(), self._connection.cursor() as cursor:
            cursor.execute(f"CALL {procedure}({placeholders})", arguments or None)
            found.extend(cursor.fetchall())
            while cursor.nextset():
                found.extend(cursor.fetchall())
        return found

    @contextmanager
    def _sorted_errors(self) -> Iterator[None]:
        try:
            yield
        except pymysql.err.MySQLError as error:
            raise _classified(error, self.endpoint) from error


@contextmanager
def connect(
    endpoint: Endpoint,
    credentials: Credentials,
    tls: Tls | None,
    *,
    patience: float = 4.0,
    read_timeout: float = 60.0,
) -> Iterator[Session]:
    """Open a session, trying again while the server cannot be reached.

    Args:
        endpoint: where the server listens.
        credentials: the account to use.
        tls: how to protect the session; ``None`` only for a server without TLS.
        patience: seconds to go on trying while the server cannot be reached; pauses grow from 0.2 to 2 seconds.
        read_timeout: seconds that one statement may take to answer.

    Raises:
        Retryable: the server could not be reached.
        NeedsHuman: the server refused the account or its certificate is not trusted.
    """
    context = tls.context() if tls else None
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retryable),
        stop=tenacity.stop_after_delay(patience),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=2.0),
        reraise=True,
    )
    connection = retrying(_open, endpoint, credentials, context, read_timeout)
    try:
        yield Session(connection, endpoint)
    finally:
        connection.close()


def quote_name(name: str) -> str:
    """Quote an identifier; MySQL doubles a backtick inside backticks."""
    return "`" + name.replace("`", "``") + "`"


def _open(
    endpoint: Endpoint, credentials: Credentials, context: ssl.SSLContext | None, read_timeout: float
) -> pymysql.Connection[DictCursor]:
    try:
        return pymysql.connect(
            host=endpoint.host,
            port=endpoint.port,
            user=credentials.user,
            password=credentials.password,
            ssl=context,
            ssl_disabled=context is None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
            read_timeout=read_timeout,
            write_timeout=read_timeout,
            cursorclass=DictCursor,
        )
    except pymysql.err.MySQLError as error:
        raise _classified(error, endpoint, connecting=True) from error


def _classified(
    error: pymysql.err.MySQLError, endpoint: Endpoint, *, connecting: bool = False
) -> MigrationError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    where = f"MySQL at {endpoint}"
    if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in text:
        return NeedsHuman(
            f"the server's certificate is not trusted ({text})",
            where=where,
            fix="Check `caFile`, and that this host really is the instance",
        )
    if code in _UNREACHABLE or (connecting and code in _LOST):
        return Retryable(
            f"the server cannot be reached ({code} {text})",
            where=where,
            fix="Check that the instance is available and that this machine may reach it",
        )
    if code in _DENIED:
        return NeedsHuman(
            f"the account lacks a privilege ({code} {text})",
            where=where,
            fix="Use the instance's master user, or give the account what docs/mysql-grants.sql lists",
        )
    kinds: tuple[tuple[set[int], type[MigrationError], str], ...] = (
        (_READ_ONLY, WriteRefused, "the write was refused"),
        (_LOST, OutcomeUnknown, "the connection was lost during a statement"),
        (_BUSY, Retryable, "the server was busy"),
    )
    for codes, kind, what in kinds:
        if code in codes:
            return kind(f"{what} ({code} {text})", where=where)
    return NeedsHuman(f"MySQL answered {code}: {text}", where=where)
