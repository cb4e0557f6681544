"""Old and new compared table by table, for the part that both must share: everything before the cutover."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pymysql

from dev.workload.database import rows, value
from rds_encrypt.rehearse.client import Connection

__all__ = ["Table", "beats", "compare", "differences", "event_findings", "marks", "refuses_writes"]

_READ_ONLY = {1290, 1836}
_AUTO_INCREMENT = re.compile(r" AUTO_INCREMENT=\d+")


@dataclass(frozen=True)
class Table:
    """What one server says of one table.

    Attributes:
        definition: ``SHOW CREATE TABLE``.
        rows: how many, up to the mark where there is one.
        checksum: ``CHECKSUM TABLE``, or one of our own over the rows where that does not do.
    """

    name: str
    definition: str
    rows: int
    checksum: int


def marks(server: Connection, growing: Mapping[str, str], moment: float) -> dict[str, int]:
    """Return the highest id of each growing table at a moment when nobody could write.

    Args:
        server: either of the two; they share these rows.
        growing: the tables that go on growing after the cutover, each with the column that says when a row was made.
        moment: seconds since 1970, between the fence and the opening.
    """
    highest = {}
    for table, column in growing.items():
        last = f"SELECT COALESCE(MAX(id), 0) FROM `{table}` WHERE {column} < FROM_UNIXTIME(%s)"  # noqa: S608
        highest[table] = int(value(server, last, moment))
    return highest


def compare(
    old: Connection, new: Connection, database: str, upto: Mapping[str, int]
) -> tuple[int, list[str]]:
    """Look at every table on both and return how many there are, and what differs, as sentences."""
    ours, theirs = _tables(old, database, upto), _tables(new, database, upto)
    return len(ours), differences(ours, theirs)


def differences(old: Mapping[str, Table], new: Mapping[str, Table]) -> list[str]:
    """Return what differs, as sentences."""
    findings = [f"table {name} is only on old" for name in sorted(old.keys() - new.keys())]
    findings += [f"table {name} is only on the new one" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        ours, theirs = old[name], new[name]
        if ours.definition != theirs.definition:
            findings.append(f"table {name} is defined differently")
        if ours.rows != theirs.rows:
            findings.append(f"table {name} has {ours.rows:,} rows on old and {theirs.rows:,} on the new one")
        elif ours.checksum != theirs.checksum:
            findings.append(f"table {name} has as many rows on both, and another checksum")
    return findings


def beats(server: Connection, table: str, after: int) -> dict[int, int]:
    """Return how often the event has run since a beat, by the server that it ran on."""
    counts = rows(
        server,
        f"SELECT server_id AS server, COUNT(*) AS count FROM `{table}` WHERE id > %s GROUP BY server_id",  # noqa: S608
        after,
    )
    return {int(row["server"]): int(row["count"]) for row in counts}


def event_findings(
    first: Mapping[int, int], later: Mapping[int, int], on_old: Mapping[int, int], server_id: int
) -> list[str]:
    """Return, as sentences, how the event fails to run on the new one only.

    Args:
        first: beats since the cutover on the new one, by server.
        later: the same, seconds later.
        on_old: the same on old, which may have them by following the new one.
        server_id: that of the new one.
    """
    findings = []
    if later.get(server_id, 0) <= first.get(server_id, 0):
        findings.append("the event does not run on the new one")
    if strangers := sorted((later.keys() | on_old.keys()) - {server_id}):
        findings.append(f"the event ran on server {', '.join(map(str, strangers))} after the cutover")
    return findings


def refuses_writes(server: Connection, table: str) -> bool:
    """Whether the server refuses a write, by attempting one that changes nothing where it is allowed."""
    try:
        rows(server, f"DELETE FROM `{table}` WHERE id = 0")  # noqa: S608 - a name from the schema
    except pymysql.err.MySQLError as error:
        return error.args[0] in _READ_ONLY
    return False


def _tables(connection: Connection, database: str, upto: Mapping[str, int]) -> dict[str, Table]:
    names = rows(
        connection,
        "SELECT table_name AS name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_name",
        database,
    )
    return {str(row["name"]): _table(connection, database, str(row["name"]), upto) for row in names}


def _table(connection: Connection, database: str, name: str, upto: Mapping[str, int]) -> Table:
    definition = str(rows(connection, f"SHOW CREATE TABLE `{name}`")[0]["Create Table"])
    columns = rows(
        connection,
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        database,
        name,
    )
    if name in upto:
        count, checksum = _over_rows(connection, name, columns, f" WHERE id <= {upto[name]}")
        return Table(name, _AUTO_INCREMENT.sub("", definition), count, checksum)
    # On 5.7, CHECKSUM TABLE gives another value at each call where there is a JSON column.
    if any(column["type"] == "json" for column in columns):
        return Table(name, definition, *_over_rows(connection, name, columns))
    count = int(value(connection, f"SELECT COUNT(*) FROM `{name}`"))  # noqa: S608 - a name from the schema
    return Table(name, definition, count, int(rows(connection, f"CHECKSUM TABLE `{name}`")[0]["Checksum"]))


def _over_rows(
    connection: Connection, name: str, columns: Iterable[Mapping[str, str]], where: str = ""
) -> tuple[int, int]:
    """Count and checksum the rows; XOR makes their order irrelevant."""
    # Nothing but NULL is '-', and nothing but the commas keeps neighbours apart.
    row = ", ".join(f"COALESCE(HEX(CAST(`{column['name']}` AS BINARY)), '-')" for column in columns)
    checksum = f"BIT_XOR(CAST(CONV(LEFT(SHA2(CONCAT_WS(',', {row}), 224), 16), 16, 10) AS UNSIGNED))"
    totals = rows(connection, f"SELECT COUNT(*) AS count, {checksum} AS checksum FROM `{name}`{where}")[0]  # noqa: S608
    return int(totals["count"]), int(totals["checksum"] or 0)
