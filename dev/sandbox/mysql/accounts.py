"""The accounts of a hosted server: RDS's own, and the master user with what RDS grants, less what a stock server cannot withhold."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from json import dumps, loads
from pathlib import Path

from pymysql.converters import escape_string

from dev.sandbox.mysql.binaries import MySQLBinaries
from dev.sandbox.mysql.sessions import ADMIN

__all__ = [
    "MASTER_ROLE",
    "REPLICATION_USER",
    "HostSecrets",
    "admin_account",
    "first_start",
    "identified",
    "master_grants",
    "quoted",
]

REPLICATION_USER = "rdsrepladmin"
MASTER_ROLE = "rds_superuser_role"
# RDS's further accounts on 8.0; nobody can log in with them here.
_IDLE = ("rdsgrprepladmin", "rdsproxyadmin", "rdsrepladmin_priv_checks_user", "rdstopmgr")
_SECRETS = "rdsadmin.json"

# RDS's documented list without RELOAD: a stock server lets its holder FLUSH TABLES WITH READ LOCK, which RDS refuses.
_STATIC = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, "
    "CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, "
    "CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"
)
_SINCE_8 = "CREATE ROLE, DROP ROLE"


@dataclass(frozen=True)
class HostSecrets:
    """The passwords of RDS's own accounts; they lie in the data directory (0600), so that they travel with its copies."""

    admin: str
    replication: str

    @classmethod
    def new(cls) -> HostSecrets:
        return cls(secrets.token_hex(16), secrets.token_hex(16))

    @classmethod
    def of(cls, data: Path) -> HostSecrets:
        return cls(**loads((data / _SECRETS).read_text()))

    def write(self, data: Path) -> None:
        file = data / _SECRETS
        file.touch(mode=0o600)
        file.write_text(dumps(asdict(self)))


def identified(binaries: MySQLBinaries, password: str) -> str:
    """How an account logs in: RDS's accounts do not go by the default that a parameter group sets."""
    plugin = "caching_sha2_password" if binaries.release >= (8, 4) else "mysql_native_password"
    return f"IDENTIFIED WITH {plugin} BY {quoted(password)}"


def admin_account(binaries: MySQLBinaries, password: str) -> Iterator[str]:
    """rdsadmin, who can come only over the unix socket; the accounts that mysqld came with go."""
    yield f"CREATE USER '{ADMIN}'@'localhost' {identified(binaries, password)}"
    yield f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'localhost' WITH GRANT OPTION"
    yield "DROP USER 'root'@'localhost'"


def first_start(
    binaries: MySQLBinaries, host: HostSecrets, *, user: str, password: str, database: str | None
) -> Iterator[str]:
    """What a new instance's server runs when it first starts: secrets of its own, the master user, its database."""
    yield f"ALTER USER '{ADMIN}'@'localhost' {identified(binaries, host.admin)}"
    replication = f"'{REPLICATION_USER}'@'%'"
    yield f"CREATE USER {replication} {identified(binaries, host.replication)}"
    yield f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {replication}"
    if binaries.release >= (8, 0):
        yield f"CREATE ROLE '{MASTER_ROLE}'@'%'"
        yield f"GRANT {_STATIC}, {_SINCE_8} ON *.* TO '{MASTER_ROLE}'@'%' WITH GRANT OPTION"
        for account in _IDLE:
            yield f"CREATE USER '{account}'@'%' IDENTIFIED BY {quoted(secrets.token_hex(16))} ACCOUNT LOCK"
    master = f"{quoted(user)}@'%'"
    yield f"CREATE USER {master} {identified(binaries, password)}"
    yield from master_grants(binaries, master)
    if database is not None:
        yield f"CREATE DATABASE `{database.replace('`', '``')}`"


def master_grants(binaries: MySQLBinaries, account: str) -> Iterator[str]:
    """What the master user may do: on 8.0 by its role only (SHOW GRANTS of an RDS master user, 2025-09).

    The role has what RDS's documentation lists before 8.0.36, when the master user could still write the system tables.
    """
    if binaries.release < (8, 0):
        yield f"GRANT {_STATIC} ON *.* TO {account} WITH GRANT OPTION"
        return
    yield f"GRANT '{MASTER_ROLE}'@'%' TO {account}"
    yield f"SET DEFAULT ROLE '{MASTER_ROLE}'@'%' TO {account}"


def quoted(text: str) -> str:
    """A string literal."""
    return f"'{escape_string(text)}'"
