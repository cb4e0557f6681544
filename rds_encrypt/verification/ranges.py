"""Ranges of keys: their SQL, where one ends and the next begins, and a key's readable form.

The ends of a range are SQL literals that mean exactly what the column holds: strings by their bytes, in the column's
character set, so that they compare by the column's collation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rds_encrypt.mysql.session import Row, Session, quote_name
from rds_encrypt.verification.columns import Column
from rds_encrypt.verification.tables import Table

__all__ = [
    "Key",
    "Range",
    "condition",
    "key_columns",
    "key_of",
    "named",
    "next_end",
    "ordering",
    "ranges",
]

Key = tuple[str, ...]
"""A key's values as SQL literals."""

_NUMBERS = frozenset(
    {"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "year", "bit", "enum"}
)
_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint"})
_TIMES = frozenset({"date", "time", "datetime", "timestamp"})
_DENSE = 4
"""A numeric key with at most this many possible values per row is cut into equal steps, without reading rows."""


@dataclass(frozen=True)
class Range:
    """The rows with keys above ``low`` and up to ``high``; ``None`` for no limit on that side."""

    low: Key | None = None
    high: Key | None = None

    def __str__(self) -> str:
        return f"{','.join(self.low or ('',))}..{','.join(self.high or ('',))}"


def key_columns(table: Table) -> str:
    """Return the select list with which ``key_of`` reads a row's key."""
    return ", ".join(f"{_exact(column)} AS k{n}" for n, column in enumerate(table.key))


def key_of(table: Table, row: Row) -> Key:
    """Return the key of a row selected with ``key_columns``."""
    return tuple(_literal(column, row[f"k{n}"]) for n, column in enumerate(table.key))


def ordering(table: Table) -> str:
    """Return the table's key as an ORDER BY list."""
    return ", ".join(quote_name(column.name) for column in table.key)


def condition(table: Table, of: Range) -> str:
    """Return the condition for a range.

    MySQL would scan the whole index for a row comparison, (a, b) > (1, 2); spelled out, it reads a range.
    """
    names = [quote_name(column.name) for column in table.key]
    if of.low is not None and of.high is not None and len(table.key) == 1 and table.key[0].type in _WHOLE:
        # One comparison per row instead of two.
        return f"{names[0]} BETWEEN {int(of.low[0]) + 1} AND {of.high[0]}"
    parts: list[str] = []
    if of.low is not None:
        parts += _beyond(names, of.low, ">", ">")
    if of.high is not None:
        parts += _beyond(names, of.high, "<", "<=")
    return " AND ".join(parts) or "TRUE"


def _beyond(names: list[str], limit: Key, strictly: str, last: str) -> list[str]:
    if len(names) == 1:
        return [f"{names[0]} {last} {limit[0]}"]
    steps = []
    for n in range(len(names)):
        operator = last if n == len(names) - 1 else strictly
        equal = [f"{names[before]} = {limit[before]}" for before in range(n)]
        steps.append(f"({' AND '.join([*equal, f'{names[n]} {operator} {limit[n]}'])})")
    # The first condition is implied by the second, but the optimizer is sure to use it.
    return [f"{names[0]} {strictly}= {limit[0]}", f"({' OR '.join(steps)})"]


def next_end(session: Session, table: Table, within: Range, size: int) -> Key | None:
    """Return the key that ends a range of ``size`` rows; ``None`` if fewer rows are left."""
    row = session.row(
        f"SELECT {key_columns(table)} FROM {table.sql} FORCE INDEX ({quote_name(table.index)})"  # noqa: S608 - names from the server
        f" WHERE {condition(table, within)} ORDER BY {ordering(table)} LIMIT 1 OFFSET {size - 1}"
    )
    return key_of(table, row) if row is not None else None


def ranges(session: Session, table: Table, size: int, low: Key | None = None) -> Iterator[Range]:
    """Cut a table, from ``low`` on, into ranges of about ``size`` rows; together they cover every possible key."""
    if not table.key or (low is None and table.rows < size // 2):
        yield Range()
        return
    step = _even_step(session, table, size)
    while True:
        if step is not None and low is not None:
            high = step.end_after(low)
        elif step is not None:
            high = step.first
        else:
            high = next_end(session, table, Range(low), size)
        yield Range(low, high)
        if high is None:
            return
        low = high


@dataclass(frozen=True)
class _Steps:
    """Range ends at equal distances."""

    low: int
    high: int
    distance: int

    @property
    def first(self) -> Key | None:
        return self.end_after((str(self.low - 1),))

    def end_after(self, low: Key) -> Key | None:
        end = int(low[0]) + self.distance
        return (str(end),) if end < self.high else None


def _even_step(session: Session, table: Table, size: int) -> _Steps | None:
    """Return how to cut a numeric key with few gaps without counting rows; ``None`` for other keys."""
    if len(table.key) != 1 or table.key[0].type not in _WHOLE:
        return None
    name = quote_name(table.key[0].name)
    limits = session.row(f"SELECT MIN({name}) AS low, MAX({name}) AS high FROM {table.sql}")  # noqa: S608 - names from the server
    if limits is None or limits["low"] is None:
        return None
    low, high = int(limits["low"]), int(limits["high"])
    rows = max(table.rows, 1)
    if high - low + 1 > _DENSE * rows:
        return None
    return _Steps(low, high, max(1, size * (high - low + 1) // rows))


def named(table: Table, key: Key) -> str:
    """Return the readable form of a key: ``id=17``."""
    return ", ".join(
        f"{column.name}={_readable(column, value)}" for column, value in zip(table.key, key, strict=True)
    )


def _exact(column: Column) -> str:
    name = quote_name(column.name)
    if column.type in {"bit", "enum"}:
        return f"CAST({name} AS UNSIGNED)"
    if column.type in _NUMBERS:
        return name
    if column.type in _TIMES:
        return f"CAST({name} AS CHAR)"
    return f"HEX({name})"


def _literal(column: Column, value: object) -> str:
    if column.type in _NUMBERS:
        return str(value)
    if column.type in _TIMES:
        return f"'{value}'"
    introducer = f"_{column.charset} " if column.charset else ""
    return f"{introducer}X'{value}'"


def _readable(column: Column, literal: str) -> str:
    if "X'" not in literal:
        return literal
    octets = bytes.fromhex(literal.rpartition("X")[2].strip("'"))
    if not column.charset:
        return f"0x{octets.hex()}"
    return repr(octets.decode(_PYTHON.get(column.charset, "utf-8"), "backslashreplace"))


_PYTHON = {
    "latin1": "cp1252",
    "ucs2": "utf-16-be",
    "utf16": "utf-16-be",
    "utf32": "utf-32-be",
    "utf16le": "utf-16-le",
}
