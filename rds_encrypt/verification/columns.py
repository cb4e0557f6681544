"""Encodes a row of any types as a string of bytes that no other row has.

Each column is a part that marks its own end, so no two rows give the same string:

- a part of variable length ends with the byte FF, which no number and no text in UTF-8 or ASCII contains;
- a value that may contain that byte has its length in front;
- NULL is the byte FE, with which no other part begins.

Each type has a lossless form:

- FLOAT and DOUBLE are multiplied by 1e0: FLOAT alone prints six digits, and adding 0 would lose the sign of -0;
- ENUM, SET and BIT are their numbers: '' can be a member or an error value, and the names are compared with the definition (see ``exact_text``);
- strings are their bytes in their own character set: no collation makes two of them equal;
- JSON is its text, in which MySQL orders the keys; geometries are their bytes, with the SRID;
- a value that may be long is its digest: MySQL turns a concatenation beyond `max_allowed_packet` into NULL, and a NULL leaves no trace
  in a sum.

The form is also chosen for speed, since a comparison spends most of its time here: CONCAT is faster than CONCAT_WS, and if one mark
is declared binary, MySQL appends the bytes of every column as they are, which is faster than a CAST of each.

Dates depend only on the session's time zone, which every session pins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rds_encrypt.mysql.session import quote_name

__all__ = ["APPROXIMATE", "Column", "row_text"]

APPROXIMATE = frozenset({"float", "double"})
_AS_NUMBERS = frozenset({"enum", "set", "bit"})
_STRINGS = frozenset({"char", "varchar", "binary", "varbinary"})
_LONG = frozenset(
    {"tinyblob", "blob", "mediumblob", "longblob", "tinytext", "text", "mediumtext", "longtext"}
)
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "year"})
_FIXED = frozenset({"date", "datetime", "timestamp"})
"""Types that MySQL writes with the same number of characters in every row."""
_UTF8 = frozenset({"ascii", "utf8", "utf8mb3", "utf8mb4"})

_END = "X'FF'"
# An explicit collation overrides the columns' character sets, once for the whole concatenation.
_BINARY_END = "_binary X'FF' COLLATE `binary`"
_NULL = "_binary X'FE' COLLATE `binary`"


@dataclass(frozen=True)
class Column:
    """One column, as information_schema describes it.

    Attributes:
        octets: the most bytes that a value may have; 0 if it is not a string.
        charset: the character set of a text; empty for bytes and everything else.
    """

    name: str
    type: str
    octets: int
    charset: str
    nullable: bool


def row_text(columns: Iterable[Column], budget: int, digest: str) -> str:
    """Return the SQL expression for a row's bytes.

    Args:
        columns: all columns of the table, including generated and invisible ones.
        budget: bytes that strings may take in it; strings beyond it are represented by their digest.
        digest: the dialect's.
    """
    parts: list[str] = []
    for column in columns:
        inline = column.type in _STRINGS or (column.type in _LONG and column.octets <= budget)
        if inline and column.octets <= budget:
            budget -= column.octets
            parts += _in_full(column)
        else:
            parts += _short(column, digest)
    if _END in parts:
        parts[parts.index(_END)] = _BINARY_END
    return f"CONCAT({', '.join(parts)})"


def _in_full(column: Column) -> list[str]:
    name = quote_name(column.name)
    if column.charset in _UTF8:
        return [_or_null(column, name), _END]
    value = f"IFNULL({name}, '')" if column.nullable else name
    return [_or_null(column, f"LENGTH({name})"), _END, value]


def _short(column: Column, digest: str) -> list[str]:
    name = quote_name(column.name)
    if column.type in APPROXIMATE:
        return [_or_null(column, f"{name} * 1e0"), _END]
    if column.type in _AS_NUMBERS:
        return [_or_null(column, f"CAST({name} AS UNSIGNED)"), _END]
    if column.type in _FIXED:
        return [_or_null(column, name)]
    if column.type in _NUMBERS or column.type == "time":
        return [_or_null(column, name), _END]
    return [_or_null(column, digest.format(name))]


def _or_null(column: Column, value: str) -> str:
    return f"IFNULL({value}, {_NULL})" if column.nullable else value
