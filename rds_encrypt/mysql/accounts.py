"""MySQL accounts: those that rds-encrypt creates and drops, whose passwords it never stores, and those of applications."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from rds_encrypt.mysql.rds_accounts import RDS_USERS
from rds_encrypt.mysql.session import Credentials, Session

__all__ = [
    "OUR_USERS",
    "RDS_USERS",
    "REPLICATION_USER",
    "REVERSE_USER",
    "Account",
    "drop",
    "drop_probe",
    "exists",
    "issue",
    "issue_probe",
    "lock",
    "of_applications",
    "unlock",
]

# MySQL 5.7 allows 32 characters. There are two, because a new password for one must not break the other's channel.
REPLICATION_USER = "rds_encrypt_replication"
"""The account that the encrypted instance uses to follow the source."""
REVERSE_USER = "rds_encrypt_reverse"
"""The account that the old instance uses to follow the encrypted one after the cutover."""

OUR_USERS = (REPLICATION_USER, REVERSE_USER)

_PROBE_USER = "rds_encrypt_probe"
"""An account without privileges, which proves that MySQL refuses a locked account."""


@dataclass(frozen=True)
class Account:
    """An account of an application or a person."""

    user: str
    host: str
    locked: bool

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


def exists(session: Session) -> bool:
    """Return whether the replication account exists."""
    return session.row("SELECT 1 FROM mysql.user WHERE user = %s", REPLICATION_USER) is not None


def issue(session: Session, user: str) -> Credentials:
    """Create the account if it is missing and give it a new password, which only the caller receives.

    Each attachment gets a new password, so rds-encrypt stores none. The server writes the statement to its binlog with a hash in
    place of the password.
    """
    account = _with_fresh_password(session, user)
    session.execute("GRANT REPLICATION SLAVE ON *.* TO %s@'%%'", user)
    return account


def issue_probe(session: Session) -> Credentials:
    """Create the probe account, which is locked together with those of applications."""
    return _with_fresh_password(session, _PROBE_USER)


def drop_probe(session: Session) -> None:
    """Drop the probe account."""
    session.execute("DROP USER IF EXISTS %s@'%%'", _PROBE_USER)


def drop(session: Session) -> None:
    """Drop those replication accounts that exist."""
    for user in OUR_USERS:
        session.execute("DROP USER IF EXISTS %s@'%%'", user)


def of_applications(session: Session) -> list[Account]:
    """Return all accounts except this session's, the replication accounts, RDS's, and roles, which cannot log in."""
    own, _, _ = str(session.value("SELECT CURRENT_USER()")).rpartition("@")
    rows = session.rows(
        "SELECT user AS u, host AS h, account_locked = 'Y' AS locked FROM mysql.user"
        " WHERE NOT (account_locked = 'Y' AND password_expired = 'Y' AND authentication_string = '')"
        " ORDER BY user, host"
    )
    spared = {own, *OUR_USERS, *RDS_USERS}
    return [Account(row["u"], row["h"], bool(row["locked"])) for row in rows if row["u"] not in spared]


def lock(session: Session, account: Account) -> None:
    """Lock the account: MySQL refuses new logins; open sessions continue."""
    session.execute("ALTER USER %s@%s ACCOUNT LOCK", account.user, account.host)


def unlock(session: Session, account: Account) -> None:
    """Let the account log in again."""
    session.execute("ALTER USER %s@%s ACCOUNT UNLOCK", account.user, account.host)


def _with_fresh_password(session: Session, user: str) -> Credentials:
    # Only letters, digits, - and _, and at most 32 characters: RDS's procedure builds a statement from it. The end has what
    # MySQL's validate_password demands, which RDS offers: a special character, a capital, a small letter and a digit.
    password = f"{secrets.token_urlsafe(21)}-Aa1"
    session.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
    session.execute("ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
    return Credentials(user, password)
