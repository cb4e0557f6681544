"""How one row becomes one string of bytes that no other row has, whatever its types.

The parts are separated by ``#``. What may contain a ``#`` has its length in front, so no two rows run into the same string;
NULL is the part ``N``, which no number, date or length is. Each type has the form that loses nothing:

- numbers with a fraction in binary are multiplied by 1e0: FLOAT alone prints six digits, and adding 0 would lose the sign of -0;
- ENUM, SET and BIT are their numbers: '' can be a member or an error value, and the names are compared with the definition;
- strings are their bytes in their own character set: no collation makes two of them equal;
- JSON is its text, in which MySQL orders the keys; geometries are their bytes, with the SRID;
- what may be long is its MD5: MySQL turns a concatenation beyond `max_allowed_packet` into NULL, and a NULL leaves no trace
  in a sum.

Dates depend on nothing but the session's time zone, which ``sessions`` sets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from replication.session import quote_name

__all__ = ["APPROXIMATE", "Column", "row_text"]

APPROXIMATE = frozenset({"float", "double"})
_AS_NUMBERS = frozenset({"enum", "set", "bit"})
_STRINGS = frozenset({"char", "varchar", "binary", "varbinary"})
_LONG = frozenset(
    {"tinyblob", "blob", "mediumblob", "longblob", "tinytext", "text", "mediumtext", "longtext"}
)
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "year"})
_TIMES = frozenset({"date", "time", "datetime", "timestamp"})


@dataclass(frozen=True)
class Column:
    """One column, as information_schema describes it.

    Attributes:
        octets: how many bytes a value may have at most; 0 for what is no string.
        charset: the character set of a text; empty for bytes and for what is no string.
    """

    name: str
    type: str
    octets: int
    charset: str
    nullable: bool


def row_text(columns: Iterable[Column], budget: int) -> str:
    """Return the expression for a row's bytes.

    Args:
        columns: all columns of the table, generated and invisible ones included.
        budget: bytes that strings may take in it; what goes beyond is represented by its MD5.
    """
    parts: list[str] = []
    for column in columns:
        inline = column.type in _STRINGS or (column.type in _LONG and column.octets <= budget)
        if inline and column.octets <= budget:
            budget -= column.octets
            parts += _in_full(column)
        else:
            parts.append(_or_null(column, _short(column)))
    return f"CONCAT_WS('#', {', '.join(parts)})"


def _in_full(column: Column) -> list[str]:
    name = quote_name(column.name)
    value = f"CAST({name} AS BINARY)" if column.charset else name
    # CONCAT_WS leaves a NULL out; its length says that it did.
    return [_or_null(column, f"LENGTH({name})"), value]


def _short(column: Column) -> str:
    name = quote_name(column.name)
    if column.type in APPROXIMATE:
        return f"{name} * 1e0"
    if column.type in _AS_NUMBERS:
        return f"CAST({name} AS UNSIGNED)"
    if column.type in _NUMBERS or column.type in _TIMES:
        return name
    return f"MD5({name})"


def _or_null(column: Column, value: str) -> str:
    return f"IFNULL({value}, 'N')" if column.nullable else value
