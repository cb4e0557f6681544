"""Compares the newest rows of the tables written to last, within a second, while both servers are stopped for a cutover.

It does not replace a verification, which takes longer the more data there is: it finds what went wrong with the last writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from rds_encrypt.core.errors import MigrationError
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session, quote_name
from rds_encrypt.verification.checksum import Pair, differing_rows, text_budget
from rds_encrypt.verification.differences import Difference
from rds_encrypt.verification.ranges import Range, key_columns, key_of
from rds_encrypt.verification.sessions import prepare
from rds_encrypt.verification.tables import Name, Table, inventory

__all__ = ["SpotCheck", "spot_check"]

_ROWS = 200
"""Rows compared per table, the newest by its key; a table without a key is skipped if it has more."""
_NAMED = 5
_TIMED_OUT = "maximum statement execution time exceeded"
_SETTINGS = ("time_zone", "sql_mode", "max_execution_time")
_TOUCHED = (
    "SELECT table_schema AS s, table_name AS t FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND update_time IS NOT NULL AND table_schema NOT IN (%s, %s, %s, %s)"
    " ORDER BY update_time DESC, data_length LIMIT 50"
)


@dataclass(frozen=True)
class SpotCheck:
    """Result of a spot check.

    Attributes:
        tables: the number of tables compared, those written to last first.
        rows: the number of rows compared.
        left: the number of tables skipped, for lack of time or of a key.
    """

    tables: int
    rows: int
    left: int
    seconds: float
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        outcome = f"{len(self.differences)} differ" if self.differences else "all equal"
        return f"the newest {self.rows} rows of {self.tables} tables, {outcome}, in {self.seconds:.2f} s"


def spot_check(primary: Session, candidate: Session, *, seconds: float) -> SpotCheck:
    """Compare the newest rows of the tables that the primary wrote to last, for at most ``seconds``.

    Neither server may write meanwhile, and the candidate must have executed everything that the primary wrote. Running out of
    time is not an error: ``left`` counts the tables that remain.
    """
    began = time.monotonic()
    rows = tables = 0
    differences: list[Difference] = []
    names: list[Name] = []
    with ExitStack() as stack:
        for session in (primary, candidate):
            stack.enter_context(_prepared(session, seconds))
        executor = stack.enter_context(ThreadPoolExecutor(1, "candidate"))
        pair = Pair(primary, candidate, text_budget(primary, candidate), executor)
        try:
            names = [(str(row["s"]), str(row["t"])) for row in primary.rows(_TOUCHED, *SYSTEM_SCHEMAS)]
            ours, theirs = pair.both(lambda session: inventory(session, names))
            for name in names:
                if time.monotonic() - began > seconds:
                    break
                looked = _newest(pair, ours[name], theirs.get(name), differences)
                if looked is not None:
                    tables, rows = tables + 1, rows + looked
        except MigrationError as error:
            if not _out_of_time(error):
                raise
    return SpotCheck(tables, rows, len(names) - tables, time.monotonic() - began, tuple(differences))


def _newest(pair: Pair, table: Table, other: Table | None, differences: list[Difference]) -> int | None:
    """Compare the rows with the highest keys; return their number, or ``None`` if the table cannot be compared."""
    if other is None or table.columns != other.columns:
        differences.append(Difference("table", str(table), "", "as it was", "missing, or with other columns"))
        return None
    if (table.index, table.key) != (other.index, other.key):
        table = replace(table, index="", key=())
    if not table.key and table.rows > _ROWS:
        return None
    part = Range(_low_end(pair.reference, table))
    reference, copy = pair.aggregates(table, part)
    if reference != copy:
        differences += differing_rows(pair, table, part, _NAMED)
    return reference.rows


def _low_end(session: Session, table: Table) -> tuple[str, ...] | None:
    if not table.key:
        return None
    backwards = ", ".join(f"{quote_name(column.name)} DESC" for column in table.key)
    row = session.row(
        f"SELECT {key_columns(table)} FROM {table.sql} ORDER BY {backwards} LIMIT 1 OFFSET {_ROWS}"  # noqa: S608 - names from the server
    )
    return key_of(table, row) if row is not None else None


@contextmanager
def _prepared(session: Session, seconds: float) -> Iterator[None]:
    """Apply a comparison's settings to the caller's session, and restore its own afterwards."""
    before = session.row(f"SELECT {', '.join(f'@@{name} AS {name}' for name in _SETTINGS)}") or {}
    prepare(session)
    session.execute("SET SESSION max_execution_time = %s", max(1, int(seconds * 1000)))
    try:
        yield
    finally:
        session.execute(
            f"SET SESSION {', '.join(f'{name} = %s' for name in _SETTINGS)}",
            *(before[name] for name in _SETTINGS),
        )


def _out_of_time(error: MigrationError) -> bool:
    """Whether the server ended a statement because of ``max_execution_time``; the error's number varies (3024, 1028)."""
    return _TIMED_OUT in error.what
