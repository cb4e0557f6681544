"""The account that replication uses: made for the migration, dropped after it, its password never kept anywhere."""

from __future__ import annotations

import secrets

from replication.session import Credentials, Session

__all__ = ["OUR_USERS", "REPLICATION_USER", "REVERSE_USER", "drop", "exists", "issue"]

# Within the 32 characters that MySQL 5.7 allows. Two, since one's new password must not cut the other's channel.
REPLICATION_USER = "rds_encrypt_replication"
"""The account with which the encrypted instance follows the source."""
REVERSE_USER = "rds_encrypt_reverse"
"""The account with which the old instance follows the encrypted one after the cut-over."""

OUR_USERS = (REPLICATION_USER, REVERSE_USER)


def exists(session: Session) -> bool:
    """Whether the account is there."""
    return session.row("SELECT 1 FROM mysql.user WHERE user = %s", REPLICATION_USER) is not None


def issue(session: Session, user: str) -> Credentials:
    """Create the account if it is missing and give it a fresh password, returned only to the caller.

    A fresh password for each attachment means that none needs to be stored between them. The server writes the
    statement to its binlog with the hash in place of the password.
    """
    # Letters, digits, - and _ only: RDS's procedure builds a statement from it, and 32 characters is its limit.
    password = secrets.token_urlsafe(24)[:32]
    session.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
    session.execute("ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
    session.execute("GRANT REPLICATION SLAVE ON *.* TO %s@'%%'", user)
    return Credentials(user, password)


def drop(session: Session) -> None:
    """Drop both accounts, as far as they exist."""
    for user in OUR_USERS:
        session.execute("DROP USER IF EXISTS %s@'%%'", user)
