"""One connection to one MySQL server, with errors classified by what to do about them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql
import tenacity
from pymysql.cursors import DictCursor

from rds_encrypt.core.errors import (
    AccountLocked,
    AccountRefused,
    ActionRequired,
    AnotherHost,
    MigrationError,
    OutcomeUnknown,
    ProcedureRefused,
    Retryable,
    SessionGone,
    WriteRefused,
)
from rds_encrypt.mysql.procedure_trace import traced
from rds_encrypt.mysql.session_variables import COLLATION, pinning
from rds_encrypt.mysql.tunnel import Endpoint, OpenTunnel

__all__ = ["SYSTEM_SCHEMAS", "Credentials", "Endpoint", "Row", "Session", "Tls", "connect", "quote_name"]

Row = dict[str, Any]

SYSTEM_SCHEMAS = ("mysql", "sys", "information_schema", "performance_schema")
"""The server's own schemas."""

# Numbers are from MySQL's server and client error reference.
_LOST = {2006, 2013, 1317, 3169, 1927}


@dataclass(frozen=True)
class Credentials:
    """A MySQL account; ``repr`` never shows the password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Tls:
    """How sessions are protected: the file with the certificate authorities that may sign a server's certificate."""

    ca_file: str

    def context(self) -> ssl.SSLContext:
        """Return a context that verifies the chain and the host name.

        Raises:
            ActionRequired: the file is missing or holds no certificate.
        """
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ActionRequired(
                f"no certificate authority could be read ({error})",
                where=self.ca_file,
                fix="Point `caFile` at the RDS CA bundle in PEM format",
            ) from error


class Session:
    """A connection in autocommit mode that returns rows as dictionaries."""

    def __init__(
        self,
        connection: pymysql.Connection[DictCursor],
        endpoint: Endpoint,
        reopen: Callable[[], pymysql.Connection[DictCursor]] | None = None,
    ) -> None:
        self._connection = connection
        self._reopen = reopen
        self.endpoint = endpoint

    def reconnect(self) -> None:
        """Connect again after the connection was lost, without the state of the former session (a schema in use, locks).

        Raises:
            Retryable: the server cannot be reached.
        """
        if self._reopen is not None:
            self._connection = self._reopen()

    @property
    def version(self) -> tuple[int, int, int]:
        """The server's version, such as ``(8, 0, 31)``."""
        return _version(self._connection)

    def rows(self, statement: str, *arguments: object) -> list[Row]:
        """Run one statement and return the rows of its first result set."""
        with self._sorted_errors(), self._connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return list(cursor.fetchall())

    def row(self, statement: str, *arguments: object) -> Row | None:
        """Run one statement and return its first row, if it has one."""
        rows = self.rows(statement, *arguments)
        return rows[0] if rows else None

    def value(self, statement: str, *arguments: object) -> Any:
        """Run one statement and return the first column of its first row."""
        row = self.row(statement, *arguments)
        return next(iter(row.values())) if row else None

    def execute(self, statement: str, *arguments: object) -> None:
        """Run one statement for its effect."""
        self.rows(statement, *arguments)

    def call(self, procedure: str, *arguments: object) -> list[Row]:
        """Call a stored procedure and return the rows of *all* its result sets.

        Older versions of RDS's procedures report some refusals as result sets, so every result set must be read.
        """
        placeholders = ", ".join(["%s"] * len(arguments))
        rows: list[Row] = []
        with (
            traced(self.endpoint.host, procedure) as answer,
            self._sorted_errors(),
            self._connection.cursor() as cursor,
        ):
            cursor.execute(f"CALL {procedure}({placeholders})", arguments or None)
            rows.extend(cursor.fetchall())
            while cursor.nextset():
                rows.extend(cursor.fetchall())
            answer.text = "; ".join(str(value) for row in rows for value in row.values())
        return rows

    @contextmanager
    def character_set(self, client: str, collation: str) -> Iterator[None]:
        """Use another character set for the length of a ``with`` block: MySQL stores it with some definitions that a session creates or alters.

        Args:
            client: the character set of statements.
            collation: the collation of the connection; it may belong to another character set.
        """
        with self._sorted_errors():
            self._connection.set_character_set(client)
        try:
            self.execute("SET SESSION collation_connection = %s", collation)
            yield
        finally:
            with self._sorted_errors():
                self._connection.set_character_set("utf8mb4", COLLATION)

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
    open_tunnel: OpenTunnel | None = None,
) -> Iterator[Session]:
    """Open a session, retrying while the server cannot be reached.

    Args:
        endpoint: the server's host and port.
        credentials: the account to use.
        tls: how to protect the session; ``None`` only for a server without TLS.
        patience: seconds to keep retrying; pauses grow from 0.2 to 2 seconds.
        read_timeout: seconds that one statement may take to answer.
        open_tunnel: opens a tunnel to the server, if it is not reached directly; the certificate must still be for ``endpoint``.

    Raises:
        Retryable: the server could not be reached.
        ActionRequired: the server refused the account, its certificate is not trusted, or no tunnel to it opens.
    """
    context = tls.context() if tls else None
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retryable),
        stop=tenacity.stop_after_delay(patience),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=2.0),
        reraise=True,
    )
    with ExitStack() as closing:

        def open_() -> pymysql.Connection[DictCursor]:
            connection, close = retrying(_open, endpoint, credentials, context, read_timeout, open_tunnel)
            closing.push(close)
            return connection

        yield Session(open_(), endpoint, open_)


def quote_name(name: str) -> str:
    """Quote an identifier; MySQL doubles a backtick inside backticks."""
    return "`" + name.replace("`", "``") + "`"


def _open(
    endpoint: Endpoint,
    credentials: Credentials,
    context: ssl.SSLContext | None,
    read_timeout: float,
    open_tunnel: OpenTunnel | None,
) -> tuple[pymysql.Connection[DictCursor], ExitStack]:
    """Return a connection and the stack that closes it."""
    with ExitStack() as stack:
        line = open_tunnel(endpoint) if open_tunnel else None
        if line is not None:
            stack.callback(line.close)
        try:
            connection = pymysql.connect(
                # Also the name that the certificate must be for, with or without a tunnel.
                host=endpoint.host,
                port=endpoint.port,
                user=credentials.user,
                # PyMySQL would encode text in Latin-1, which is not how the account's password was set.
                password=credentials.password.encode(),
                ssl=context,
                ssl_disabled=context is None,
                charset="utf8mb4",
                collation=COLLATION,
                # The pinned variables set it: the driver trusts the server's claim that it is on.
                autocommit=None,
                connect_timeout=5,
                read_timeout=read_timeout,
                write_timeout=read_timeout,
                cursorclass=DictCursor,
                defer_connect=True,
            )
            connection.connect(line.socket if line is not None else None)
            _pin(connection)
        except pymysql.err.MySQLError as error:
            raise _classified(error, endpoint, connecting=True) from error
        stack.callback(connection.close)
        return connection, stack.pop_all()


def _version(connection: pymysql.Connection[DictCursor]) -> tuple[int, int, int]:
    text: str = connection.get_server_info()  # type: ignore[no-untyped-call]
    numbers = text.split("-", maxsplit=1)[0].split(".")
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def _pin(connection: pymysql.Connection[DictCursor]) -> None:
    """Make the session independent of the server's parameter group, and activate all its account's roles."""
    version = _version(connection)
    with connection.cursor() as cursor:
        cursor.execute(pinning(version))
        if version >= (8, 0, 0):
            # On RDS an account may have its privileges only through `rds_superuser_role`, and roles are inactive by default.
            cursor.execute("SET ROLE ALL")


@dataclass(frozen=True)
class _Kind:
    """What a group of MySQL's error numbers means, and what to do about it."""

    codes: frozenset[int]
    error: type[MigrationError]
    what: str
    fix: str
    safe: str = ""


_CANNOT_REACH = _Kind(
    frozenset({2002, 2003, 1040, 1053, 1129, 1203}),
    Retryable,
    "the server cannot be reached",
    "Check that the instance is available and that this machine may reach it",
)
_KINDS = (
    _CANNOT_REACH,
    _Kind(
        frozenset({1045, 1130, 1698, 1820}),
        AccountRefused,
        "the account is refused",
        "Correct the user name and password that `credentials` refers to; perhaps the password has been rotated",
    ),
    _Kind(
        frozenset({2026, 3159}),
        ActionRequired,
        "the session would not be protected by TLS",
        "Check that this host really is the instance, and that its parameter group allows TLS 1.2 or later",
        "No password was sent",
    ),
    _Kind(
        frozenset({3, 28, 1021, 1114}),
        ActionRequired,
        "its storage is full",
        "Give the instance more storage, then run the same command again",
    ),
    _Kind(
        frozenset({1044, 1142, 1143, 1227, 1370, 1410}),
        ActionRequired,
        "the account lacks a privilege",
        "Use the instance's master user, or give the account what rds_encrypt/policies/mysql-grants.sql lists",
    ),
    _Kind(
        frozenset({1290, 1792, 1836}),
        WriteRefused,
        "the write was refused",
        "If the instance was not fenced on purpose, check `read_only` in its parameter group",
    ),
    _Kind(
        frozenset({3118}),
        AccountLocked,
        "the login was refused",
        "If the account was not locked on purpose, unlock it (ALTER USER … ACCOUNT UNLOCK)",
    ),
    _Kind(frozenset({1094}), SessionGone, "the session has already ended", ""),
    _Kind(
        # RDS's procedures signal ER_SIGNAL_EXCEPTION when they refuse, and when something failed after they acted;
        # MySQL itself answers ER_KILL_DENIED_ERROR to `rds_kill` on an applier.
        frozenset({1644, 1095}),
        ProcedureRefused,
        "RDS's procedure reports an error",
        "Correct what it objects to, then run the same command again",
    ),
    _Kind(
        frozenset(_LOST),
        OutcomeUnknown,
        "the connection was lost during a statement",
        "Run the same command again: it checks whether the statement took effect before it does anything",
    ),
    _Kind(
        frozenset({1205, 1213}),
        Retryable,
        "the server was busy",
        "Run the same command again; if it stays busy, look for long transactions (SHOW PROCESSLIST)",
    ),
    _Kind(
        frozenset({3854}),
        Retryable,
        "MySQL cannot list its transactions while a statement with an emoji, or another character of four bytes, runs",
        "Run the same command again; if that changes nothing, find the statement with SHOW FULL PROCESSLIST and let it end",
    ),
)


def _classified(
    error: pymysql.err.MySQLError, endpoint: Endpoint, *, connecting: bool = False
) -> MigrationError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    where = f"MySQL at {endpoint}"
    # PyMySQL wraps the socket's error.
    origin = getattr(error, "original_exception", None)
    if isinstance(origin, ssl.SSLCertVerificationError):
        return _distrust(origin, where)
    kind = next((candidate for candidate in _KINDS if code in candidate.codes), None)
    if connecting and code in _LOST:
        kind = _CANNOT_REACH
    if kind is None:
        return ActionRequired(
            f"MySQL answered {code}: {text}",
            where=where,
            fix="Correct what it objects to, then run the same command again; if rds-encrypt is at fault, report it",
        )
    return kind.error(f"{kind.what} ({code} {text})", where=where, fix=kind.fix, safe=kind.safe)


_EXPIRED = {9, 10}
_OTHER_NAME = {62, 64}
"""OpenSSL's numbers (X509_V_ERR_…): not valid yet or expired; another host name or address."""


def _distrust(error: ssl.SSLCertVerificationError, where: str) -> ActionRequired:
    kind: type[ActionRequired] = ActionRequired
    if error.verify_code in _EXPIRED:
        what = "the server's certificate has expired, or is not valid yet"
        fix = "Check this machine's clock; if it is right, let RDS rotate the instance's certificate"
    elif error.verify_code in _OTHER_NAME:
        kind = AnotherHost
        what = "the server's certificate is for another host"
        fix = "Find out who answers there: it is not the instance"
    else:
        what = "the server's certificate is not signed by a trusted authority"
        fix = "If it should be Amazon's, find out who answers there; if it is your own, name it in `caFile`"
    reason = error.verify_message.rstrip(".")
    return kind(f"{what} ({reason})", where=where, fix=fix, safe="No password was sent")
