"""RDS's tables and stored procedures in a server's system schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dev.sandbox.mysql.binaries import MySQLBinaries
from dev.sandbox.mysql.sessions import AdminSession, execute
from dev.sandbox.mysql.vocabulary import spoken

__all__ = ["install_procedures"]

_SOURCES = Path(__file__).parent / "procedures"


def install_procedures(session: AdminSession, binaries: MySQLBinaries) -> None:
    """Make them; whoever runs this session (rdsadmin) is the definer."""
    for statement in statements(binaries):
        execute(session, statement)


def statements(binaries: MySQLBinaries) -> Iterator[str]:
    """The statements for a version, in order."""
    files = ["tables", "replication", "administration", "8.0" if binaries.release >= (8, 0) else "5.7"]
    if binaries.release >= (8, 4):
        files.append("8.4")
    for file in files:
        for statement in (_SOURCES / f"{file}.sql").read_text().split("\n$$"):
            if statement.strip():
                yield spoken(statement.strip(), binaries.release)
