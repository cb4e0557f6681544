"""RDS's tables and stored procedures in a server's system schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dev.sandbox.mysql.binaries import MySQLBinaries
from dev.sandbox.mysql.sessions import AdminSession, execute

__all__ = ["install_procedures"]

_SOURCES = Path(__file__).parent / "procedures"


def install_procedures(session: AdminSession, binaries: MySQLBinaries) -> None:
    """Make them; whoever runs this session (rdsadmin) is the definer."""
    for statement in statements(binaries):
        execute(session, statement)


def statements(binaries: MySQLBinaries) -> Iterator[str]:
    """The statements for a version, in order."""
    files = [_SOURCES / name for name in ("tables.sql", "replication.sql", "administration.sql")]
    own = _SOURCES / f"{binaries.series}.sql"
    if own.exists():
        files.append(own)
    for file in files:
        for statement in file.read_text().split("\n$$"):
            if statement.strip():
                yield statement.strip()
