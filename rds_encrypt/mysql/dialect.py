"""The statements, columns and procedures that differ between MySQL versions; `dialect_of` chooses by the server's version.

Sources: MySQL 8.0.22, 8.4 and 9.6 release notes (SHOW REPLICA STATUS, SHOW BINARY LOG STATUS; MD5() and SHA1() became a component),
and "Stored procedure reference for RDS for MySQL" in the Amazon RDS User Guide. 9.7: AWS Database Blog, "Amazon RDS for MySQL LTS
version 9.7 is now generally available".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.mysql.session import Session

__all__ = ["SUPPORTED", "Dialect", "dialect_of"]

SUPPORTED = ("5.7", "8.0", "8.4", "9.7")
"""The MySQL series that rds-encrypt migrates."""


@dataclass(frozen=True)
class Dialect:
    """The statements, columns and procedures of one range of versions."""

    replica_status: str
    binlog_status: str
    io_running: str
    sql_running: str
    source_host: str
    source_user: str
    source_uuid: str
    executed_file: str
    executed_position: str
    read_file: str
    read_position: str
    seconds_behind: str
    set_external: str
    reset_external: str
    unfenceable: str
    digest: str
    combined_digest: str
    visible_index: str
    """The condition on information_schema.statistics for an index that statements may name."""
    temporary_tables_in: frozenset[str]
    """The values of binlog_format with which temporary tables replicate ("Replication and Temporary Tables", Reference Manual)."""


# The argument is RDS_USERS, which may write to a read-only server by design. Any other account that can is a hole in the fence.
_SUPER = "SELECT user AS user, host AS host FROM mysql.user WHERE super_priv = 'Y' AND user NOT IN %s"
# A role passes its privilege on to every account that was granted it, directly or through another role; a mandatory role to all accounts.
# Whether it is a default role does not matter: its holder can activate it.
_SUPER_OR_DYNAMIC = (
    "WITH RECURSIVE strong (user, host) AS ("
    " SELECT user, host FROM mysql.user WHERE super_priv = 'Y'"
    " UNION SELECT user, host FROM mysql.global_grants WHERE priv = 'CONNECTION_ADMIN'"
    " UNION SELECT to_user, to_host FROM mysql.role_edges JOIN strong ON (from_user, from_host) = (user, host))"
    " SELECT u.user AS user, u.host AS host FROM mysql.user u"
    " WHERE ((u.user, u.host) IN (SELECT user, host FROM strong) OR EXISTS (SELECT 1 FROM strong"
    " WHERE FIND_IN_SET(CONCAT(user, '@', host), REPLACE(REPLACE(@@GLOBAL.mandatory_roles, '`', ''), ' ', '')) > 0"
    " OR (host = '%%' AND FIND_IN_SET(user, REPLACE(REPLACE(@@GLOBAL.mandatory_roles, '`', ''), ' ', '')) > 0)))"
    " AND NOT (account_locked = 'Y' AND password_expired = 'Y' AND authentication_string = '')"
    " AND u.user NOT IN %s"
)

# Combines the digests of rows so that their order does not matter. Bit functions accept byte strings since 8.0; before, 64 bits.
# 8.0 has OpenSSL's SHA-1, which processors accelerate; in 5.7, MD5 is faster. 9.7 has neither; there, SHA-256 costs no more than CRC32.
_XOR_OF_HALVES = "BIT_XOR(CAST(CONV(LEFT(MD5({row}), 16), 16, 10) AS UNSIGNED))"
_XOR = "BIT_XOR(UNHEX(SHA1({row})))"
_XOR_OF_SHA_256 = "BIT_XOR(UNHEX(SHA2({row}, 256)))"

_OLD = Dialect(
    replica_status="SHOW SLAVE STATUS",
    binlog_status="SHOW MASTER STATUS",
    io_running="Slave_IO_Running",
    sql_running="Slave_SQL_Running",
    source_host="Master_Host",
    source_user="Master_User",
    source_uuid="Master_UUID",
    executed_file="Relay_Master_Log_File",
    executed_position="Exec_Master_Log_Pos",
    read_file="Master_Log_File",
    read_position="Read_Master_Log_Pos",
    seconds_behind="Seconds_Behind_Master",
    set_external="mysql.rds_set_external_master",
    reset_external="mysql.rds_reset_external_master",
    unfenceable=_SUPER,
    digest="MD5({})",
    combined_digest=_XOR_OF_HALVES,
    visible_index="TRUE",
    temporary_tables_in=frozenset({"MIXED", "STATEMENT"}),
)
_FIRST_OF_8 = replace(
    _OLD,
    unfenceable=_SUPER_OR_DYNAMIC,
    combined_digest=_XOR,
    visible_index="is_visible = 'YES'",
    temporary_tables_in=frozenset({"STATEMENT"}),
)
_BETWEEN = replace(
    _FIRST_OF_8,
    replica_status="SHOW REPLICA STATUS",
    io_running="Replica_IO_Running",
    sql_running="Replica_SQL_Running",
    source_host="Source_Host",
    source_user="Source_User",
    source_uuid="Source_UUID",
    executed_file="Relay_Source_Log_File",
    executed_position="Exec_Source_Log_Pos",
    read_file="Source_Log_File",
    read_position="Read_Source_Log_Pos",
    seconds_behind="Seconds_Behind_Source",
)
_NEW = replace(
    _BETWEEN,
    binlog_status="SHOW BINARY LOG STATUS",
    set_external="mysql.rds_set_external_source",
    reset_external="mysql.rds_reset_external_source",
    digest="SHA2({}, 256)",
    combined_digest=_XOR_OF_SHA_256,
)


def dialect_of(session: Session) -> Dialect:
    """Return the dialect of the session's server.

    Raises:
        PreconditionFailed: the server's series is not in ``SUPPORTED``.
    """
    version = session.version
    series = f"{version[0]}.{version[1]}"
    if series not in SUPPORTED:
        raise PreconditionFailed(
            f"MySQL {series} is not supported",
            where=f"MySQL at {session.endpoint}",
            fix=f"Use one of {', '.join(SUPPORTED)}",
        )
    since = {(8, 4, 0): _NEW, (8, 0, 22): _BETWEEN, (8, 0, 0): _FIRST_OF_8}
    return next((dialect for first, dialect in since.items() if version >= first), _OLD)
