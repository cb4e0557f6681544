"""The effective privileges of a session's account: SHOW GRANTS includes those of active roles.

A session activates all roles of its account when it opens.

On RDS the master user of 8.0 may hold everything through `rds_superuser_role` (its own line is USAGE then), and from 8.4 on
information_schema.USER_PRIVILEGES shows only USAGE, so neither that view nor mysql.user shows its privileges. Sources: SHOW GRANTS of
RDS 8.0 master users and the privileges of an RDS 8.4.10, as quoted in public issues; tried on 8.0.31.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rds_encrypt.mysql.session import Session

__all__ = ["NEEDED", "grants", "lacking", "revoked"]

NEEDED = (
    "SELECT",
    "PROCESS",
    "REPLICATION SLAVE",
    "REPLICATION CLIENT",
    "SHOW VIEW",
    "CREATE USER",
    "EVENT",
    "TRIGGER",
)
"""The global privileges that rds_encrypt/policies/mysql-grants.sql gives an account of its own, in MySQL's order."""
_GLOBAL = re.compile(r"^GRANT (.+?) ON \*\.\* TO ")
_PARTIAL = re.compile(r"^REVOKE (.+?) ON `(.+)`\.\* FROM ")
_SYSTEM = {"mysql", "sys"}


def grants(session: Session) -> list[str]:
    """Return the statements that SHOW GRANTS lists."""
    return [str(next(iter(row.values()))) for row in session.rows("SHOW GRANTS")]


def lacking(granted: Iterable[str]) -> list[str]:
    """Return those of ``NEEDED`` that the account has neither directly nor through an active role."""
    have = {
        privilege for line in granted if (held := _GLOBAL.match(line)) for privilege in held[1].split(", ")
    }
    # Without a line, the privileges are unknown.
    return (
        [privilege for privilege in NEEDED if privilege not in have]
        if have and "ALL PRIVILEGES" not in have
        else []
    )


def revoked(granted: Iterable[str]) -> list[str]:
    """Return those of ``NEEDED`` that a server with ``partial_revokes`` takes away in single schemas, as ``SELECT on shop``.

    In MySQL's own schemas only SELECT is needed.
    """
    return [
        f"{privilege} on {taken[2]}"
        for line in granted
        if (taken := _PARTIAL.match(line))
        for privilege in taken[1].split(", ")
        if privilege in NEEDED and (privilege == "SELECT" or taken[2] not in _SYSTEM)
    ]
