"""Lists a server's tables: their sizes, their columns, and the key that tells their rows apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Row, Session, quote_name
from rds_encrypt.verification.columns import APPROXIMATE, Column

__all__ = ["Table", "inventory"]

_TABLES = (
    "SELECT table_schema AS s, table_name AS t, COALESCE(table_rows, 0) AS n, COALESCE(data_length, 0) AS bytes,"
    " COALESCE(avg_row_length, 0) AS width, create_time AS created FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND engine NOT IN ('MEMORY', 'BLACKHOLE') AND table_schema NOT IN (%s, %s, %s, %s){these}"
)
_COLUMNS = (
    "SELECT table_schema AS s, table_name AS t, column_name AS c, LOWER(data_type) AS type, is_nullable AS nullable,"
    " COALESCE(character_octet_length, 0) AS octets, COALESCE(character_set_name, '') AS charset"
    " FROM information_schema.columns WHERE table_schema NOT IN (%s, %s, %s, %s){these}"
    " ORDER BY table_schema, table_name, ordinal_position"
)
_KEYS = (
    "SELECT table_schema AS s, table_name AS t, index_name AS i, column_name AS c, sub_part AS part, nullable AS nullable"
    " FROM information_schema.statistics WHERE non_unique = 0 AND index_type = 'BTREE' AND {visible}"
    " AND table_schema NOT IN (%s, %s, %s, %s){these}"
    " ORDER BY table_schema, table_name, index_name, seq_in_index"
)
# Ranges over these have no exact literals, or cannot use the index.
_NO_KEY = APPROXIMATE | {"set", "json", "geometry"}

Name = tuple[str, str]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        rows: an estimate.
        bytes: the size of its data, an estimate.
        index: the name of the unique index that tells rows apart; empty if there is none.
        key: the columns of that index.
        created: when this server created it, in its own words: a table that a RENAME puts in the place of another has another time.
    """

    schema: str
    name: str
    rows: int
    bytes: int
    width: int
    columns: tuple[Column, ...]
    index: str = ""
    key: tuple[Column, ...] = field(default=())
    created: str = ""

    @property
    def sql(self) -> str:
        """The quoted name."""
        return f"{quote_name(self.schema)}.{quote_name(self.name)}"

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def inventory(session: Session, only: Sequence[Name] | None = None) -> dict[Name, Table]:
    """Return the owner's tables: all, or those of ``only`` that exist."""
    if only is not None and not only:
        return {}
    these, names = "", [part for name in only or () for part in name]
    if only is not None:
        these = f" AND (table_schema, table_name) IN ({', '.join(['(%s, %s)'] * len(only))})"
    columns: dict[Name, dict[str, Column]] = defaultdict(dict)
    for row in session.rows(_COLUMNS.format(these=these), *SYSTEM_SCHEMAS, *names):
        columns[row["s"], row["t"]][row["c"]] = Column(
            row["c"], _text(row["type"]), int(row["octets"]), row["charset"], row["nullable"] == "YES"
        )
    keys = _KEYS.format(visible=dialect_of(session).visible_index, these=these)
    indexes: dict[Name, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in session.rows(keys, *SYSTEM_SCHEMAS, *names):
        indexes[row["s"], row["t"]][row["i"]].append(row)
    tables: dict[Name, Table] = {}
    for row in session.rows(_TABLES.format(these=these), *SYSTEM_SCHEMAS, *names):
        name = (str(row["s"]), str(row["t"]))
        index, key = _best_key(indexes[name], columns[name])
        tables[name] = Table(
            *name,
            rows=int(row["n"]),
            bytes=int(row["bytes"]),
            width=int(row["width"]),
            columns=tuple(columns[name].values()),
            index=index,
            key=key,
            created=str(row["created"] or ""),
        )
    return tables


def _best_key(indexes: dict[str, list[Row]], columns: dict[str, Column]) -> tuple[str, tuple[Column, ...]]:
    """Return the primary key if it is usable, else the shortest usable unique key, else nothing."""
    usable = {
        index: tuple(columns[part["c"]] for part in parts)
        for index, parts in indexes.items()
        if all(_serves(part, columns) for part in parts)
    }
    if "PRIMARY" in usable:
        return "PRIMARY", usable["PRIMARY"]
    return min(usable.items(), key=lambda entry: (len(entry[1]), entry[0]), default=("", ()))


def _serves(part: Row, columns: dict[str, Column]) -> bool:
    column = columns.get(part["c"] or "")  # an expression in a functional key has no column
    return column is not None and part["part"] is None and not column.nullable and column.type not in _NO_KEY


def _text(value: object) -> str:
    """Return a string; 5.7 returns some columns of its own tables as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
