"""AUTO_INCREMENT: a copy whose counter is behind its own rows would fail on its first insert."""

from __future__ import annotations

from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session, quote_name
from rds_encrypt.verification.differences import Difference

__all__ = ["compare_counters", "read_counters"]

_COUNTERS = (
    "SELECT t.table_schema AS s, t.table_name AS t, c.column_name AS c, t.auto_increment AS n"
    " FROM information_schema.tables t JOIN information_schema.columns c"
    " ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.extra LIKE %s"
    " WHERE t.auto_increment IS NOT NULL AND t.table_schema NOT IN (%s, %s, %s, %s)"
)

Counters = dict[tuple[str, str], tuple[str, int]]


def read_counters(session: Session) -> Counters:
    """Return the AUTO_INCREMENT column of every table that has one, and its next number."""
    return {
        (str(row["s"]), str(row["t"])): (str(row["c"]), int(row["n"]))
        for row in session.rows(_COUNTERS, "%auto_increment%", *SYSTEM_SCHEMAS)
    }


def compare_counters(ours: Counters, theirs: Counters, copy: Session) -> list[Difference]:
    """Return the tables of the copy whose next number is already taken, though the reference's is not.

    A lower number alone is not a difference: an insert that is rolled back counts on the source only, and MySQL 5.7 forgets at each start.
    """
    differences: list[Difference] = []
    for (schema, table), (column, number) in sorted(theirs.items()):
        _, reference = ours.get((schema, table), (column, number))
        if number >= reference:
            continue
        name = f"{quote_name(schema)}.{quote_name(table)}"
        highest = int(copy.value(f"SELECT COALESCE(MAX({quote_name(column)}), 0) FROM {name}"))  # noqa: S608 - names from the server
        if number <= highest < reference:
            differences.append(
                Difference("counter", f"{schema}.{table}", "AUTO_INCREMENT", str(reference), str(number))
            )
    return differences
