"""Traffic of a rehearsal's own: a writer with an account and a schema on the copy, and the account of its writes."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rds_encrypt.access import Access, AccessSettings, authorities_of, endpoint_of
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.connection import tunnel_opener
from rds_encrypt.mysql.session import Credentials, Session
from rds_encrypt.rehearse.client import Address
from rds_encrypt.rehearse.writer import Accounting, Write, Writer, account_for

__all__ = ["SCHEMA", "Traffic", "fill"]

SCHEMA = "rds_encrypt_rehearsal"
"""The schema, and the MySQL account, of the rehearsal; both exist on the copy only, and go with it."""
_TABLE = f"""CREATE TABLE IF NOT EXISTS {SCHEMA}.writes (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, token BIGINT UNSIGNED NOT NULL, payload VARCHAR(64) NOT NULL,
  written_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)) DEFAULT CHARSET utf8mb4"""
_CONNECTIONS, _EVERY = 2, 0.2
"""A rehearsal lasts hours: ten writes a second show an outage to a tenth of a second, and fill no disk."""
_FILL = 16
"""Doublings of the rows of `--small`: 65,536 rows of half a KiB."""


@dataclass
class Traffic:
    """The writer, whose acknowledged writes outlive a killed rehearsal in a file.

    Attributes:
        settings: how to reach the copy; its authorities are the writer's too.
        file: the tokens of all acknowledged writes, one in each line.
    """

    aws: Aws
    settings: AccessSettings
    file: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def writing(self, instance: Instance) -> Iterator[Writer]:
        """Write to the address of an instance for the length of a ``with`` block."""
        account = Credentials(SCHEMA, secrets.token_urlsafe(24))
        with Access(self.aws, self.settings).session(instance) as session:
            _prepare(session, account)
            first = 1 + int(session.value(f"SELECT COALESCE(MAX(token), 0) FROM {SCHEMA}.writes"))  # noqa: S608 - a constant
        endpoint = endpoint_of(instance)
        address = Address(
            endpoint.host,
            endpoint.port,
            authorities_of(self.settings),
            tunnel_opener(self.aws, self.settings.connection),
        )
        writer = Writer(
            address,
            account,
            SCHEMA,
            connections=_CONNECTIONS,
            every=_EVERY,
            first=max(first, 1 + max(map(int, self._tokens()), default=0)),
            acknowledge=self._keep,
        )
        with writer.writing():
            yield writer

    def account(self, instance: Instance) -> Accounting:
        """Compare all acknowledged writes with the rows that an instance has."""
        with Access(self.aws, self.settings).session(instance) as session:
            rows = session.rows(f"SELECT token FROM {SCHEMA}.writes")  # noqa: S608 - a constant
        acknowledged = [Write(token, 0, 0.0, 0.0) for token in self._tokens()]
        return account_for(acknowledged, (str(row["token"]) for row in rows))

    def _tokens(self) -> list[str]:
        return self.file.read_text(encoding="ascii").split() if self.file.exists() else []

    def _keep(self, write: Write) -> None:
        with self._lock, self.file.open("a", encoding="ascii") as file:
            file.write(f"{write.token}\n")


def fill(session: Session) -> None:
    """Fill a small copy with generated data, unless it has some."""
    session.execute(f"CREATE DATABASE IF NOT EXISTS {SCHEMA}")
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.filling (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, text VARCHAR(512) NOT NULL)"
    )
    if session.value(f"SELECT COUNT(*) FROM {SCHEMA}.filling") == 0:  # noqa: S608 - a constant
        session.execute(f"INSERT INTO {SCHEMA}.filling (text) VALUES (REPEAT('x', 512))")  # noqa: S608
    for _ in range(_FILL):
        if int(session.value(f"SELECT COUNT(*) FROM {SCHEMA}.filling")) >= 2**_FILL:  # noqa: S608
            return
        session.execute(f"INSERT INTO {SCHEMA}.filling (text) SELECT text FROM {SCHEMA}.filling")  # noqa: S608


def _prepare(session: Session, account: Credentials) -> None:
    """Make schema, table and account, with a new password: that of a former run is not kept."""
    session.execute(f"CREATE DATABASE IF NOT EXISTS {SCHEMA}")
    session.execute(_TABLE)
    session.execute(f"CREATE USER IF NOT EXISTS {account.user}@'%%' IDENTIFIED BY %s", account.password)
    session.execute(f"ALTER USER {account.user}@'%%' IDENTIFIED BY %s", account.password)
    session.execute(f"GRANT SELECT, INSERT ON {SCHEMA}.* TO {account.user}@'%'")
