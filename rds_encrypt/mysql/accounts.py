"""Accounts: ours, made for the migration and dropped after it, their passwords never kept anywhere; and the applications'."""

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

# Within the 32 characters that MySQL 5.7 allows. Two, since one's new password must not cut the other's channel.
REPLICATION_USER = "rds_encrypt_replication"
"""The account with which the encrypted instance follows the source."""
REVERSE_USER = "rds_encrypt_reverse"
"""The account with which the old instance follows the encrypted one after the cutover."""

OUR_USERS = (REPLICATION_USER, REVERSE_USER)

_PROBE_USER = "rds_encrypt_probe"
"""An account without any rights, to see that a locked account is refused."""


@dataclass(frozen=True)
class Account:
    """An account of an application or a person."""

    user: str
    host: str
    locked: bool

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


def exists(session: Session) -> bool:
    """Whether the account is there."""
    return session.row("SELECT 1 FROM mysql.user WHERE user = %s", REPLICATION_USER) is not None


def issue(session: Session, user: str) -> Credentials:
    """Create the account if it is missing and give it a fresh password, returned only to the caller.

    A fresh password for each attachment means that none needs to be stored between them. The server writes the
    statement to its binlog with the hash in place of the password.
    """
    account = _with_fresh_password(session, user)
    session.execute("GRANT REPLICATION SLAVE ON *.* TO %s@'%%'", user)
    return account


def issue_probe(session: Session) -> Credentials:
    """Create the account that is to be locked out with the applications'."""
    return _with_fresh_password(session, _PROBE_USER)


def drop_probe(session: Session) -> None:
    """Drop it again."""
    session.execute("DROP USER IF EXISTS %s@'%%'", _PROBE_USER)


def drop(session: Session) -> None:
    """Drop the accounts that replication uses, as far as they exist."""
    for user in OUR_USERS:
        session.execute("DROP USER IF EXISTS %s@'%%'", user)


def of_applications(session: Session) -> list[Account]:
    """Return all accounts but our own, those of our replication, RDS's, and roles (which nobody can log in with)."""
    own, _, _ = str(session.value("SELECT CURRENT_USER()")).rpartition("@")
    rows = session.rows(
        "SELECT user AS u, host AS h, account_locked = 'Y' AS locked FROM mysql.user"
        " WHERE NOT (account_locked = 'Y' AND password_expired = 'Y' AND authentication_string = '')"
        " ORDER BY user, host"
    )
    spared = {own, *OUR_USERS, *RDS_USERS}
    return [Account(row["u"], row["h"], bool(row["locked"])) for row in rows if row["u"] not in spared]


def lock(session: Session, account: Account) -> None:
    """Refuse the account's logins from now on; its sessions go on."""
    session.execute("ALTER USER %s@%s ACCOUNT LOCK", account.user, account.host)


def unlock(session: Session, account: Account) -> None:
    """Let the account log in again."""
    session.execute("ALTER USER %s@%s ACCOUNT UNLOCK", account.user, account.host)


def _with_fresh_password(session: Session, user: str) -> Credentials:
    # Letters, digits, - and _ only: RDS's procedure builds a statement from it, and 32 characters is its limit.
    password = secrets.token_urlsafe(24)[:32]
    session.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
    session.execute("ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
    return Credentials(user, password)
