"""The sessions of a server: those of applications, without RDS's own and replication's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rds_encrypt.core.words import counted
from rds_encrypt.mysql.rds_accounts import RDS_THREADS
from rds_encrypt.mysql.session import Row, Session

__all__ = ["Client", "application_sessions", "clients", "logins", "of_applications", "other_sessions"]


@dataclass(frozen=True, order=True)
class Client:
    """An account that is connected from a host.

    Attributes:
        account: its user name.
        host: the address or name that it connects from.
        sessions: how many it has open.
        since: when it was first seen, in ISO 8601: MySQL does not report how long a session has been open.
    """

    account: str
    host: str
    sessions: int
    since: str

    def __str__(self) -> str:
        return f"{self.account} from {self.host} ({counted(self.sessions, 'session')})"


def clients(session: Session, before: Iterable[Client] = ()) -> tuple[Client, ...]:
    """Return who else is connected to the server.

    Args:
        session: on that server.
        before: who was connected at an earlier check.
    """
    known = {(client.account, client.host): client.since for client in before}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    counts = Counter((str(row["User"]), _host(str(row["Host"] or ""))) for row in of_applications(session))
    return tuple(sorted(Client(*who, sessions, known.get(who, now)) for who, sessions in counts.items()))


def application_sessions(session: Session) -> list[int]:
    """Return the sessions except this one, RDS's own and replication's."""
    return [int(row["Id"]) for row in of_applications(session)]


def logins(session: Session) -> set[int]:
    """Return the connections that have not logged in yet."""
    return {int(row["Id"]) for row in other_sessions(session) if _logs_in(row) and not _is_over(row)}


def other_sessions(session: Session) -> list[Row]:
    """Return the server's other sessions.

    MySQL 9.7 refuses information_schema's lists while a statement with a character that utf8mb3 lacks runs; SHOW PROCESSLIST works.
    """
    own = session.value("SELECT CONNECTION_ID()")
    return [row for row in session.rows("SHOW PROCESSLIST") if row["Id"] != own]


def of_applications(session: Session) -> list[Row]:
    """Return the rows of ``application_sessions``."""
    return [
        row
        for row in other_sessions(session)
        if row["User"] not in RDS_THREADS
        if not row["Command"].startswith("Binlog Dump") and not _logs_in(row) and not _is_over(row)
    ]


def _logs_in(row: Row) -> bool:
    """Whether the connection has not logged in yet; MySQL may show its account already, even one that it is about to refuse."""
    return row["User"] == "unauthenticated user" or (
        row["Command"] == "Connect" and row["User"] not in RDS_THREADS
    )


def _is_over(row: Row) -> bool:
    """Whether the session was killed and runs nothing: MySQL 5.7.22 may list one long after its connection is closed."""
    return row["Command"] == "Killed" and row["Info"] is None


def _host(address: str) -> str:
    """Return ``10.0.0.7`` for ``10.0.0.7:51234``."""
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdigit() else address
