"""The table of the bench's application, in which a write that arrives twice shows."""

from __future__ import annotations

from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Connection
from rds_encrypt.rehearse.writer import Resolve, Writer

__all__ = ["application", "make_table", "numbers_in"]

_TABLE = "numbered_writes"
# Numbers are unique by the writer's doing, not by the table's.
_CREATE = f"""CREATE TABLE {_TABLE} (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    number BIGINT UNSIGNED NOT NULL,
    payload VARCHAR(100) NOT NULL,
    KEY (number)
) DEFAULT CHARSET=utf8mb4"""
_INSERT = f"INSERT INTO {_TABLE} (number, payload) VALUES (%s, %s)"  # noqa: S608 - a constant


def application(resolve: Resolve, who: Credentials, database: str) -> Writer:
    """Return the application: short transactions on eight connections, and long ones on one."""
    return Writer(resolve, who, database, _INSERT, connections=8, long_connections=1)


def make_table(connection: Connection) -> None:
    """Make the table that the writer fills."""
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)


def numbers_in(connection: Connection) -> list[str]:
    """Return the numbers that arrived, as often as they did."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT number FROM {_TABLE}")  # noqa: S608 - a constant
        return [str(row["number"]) for row in cursor.fetchall()]
