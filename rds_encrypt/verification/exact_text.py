"""Reads the exact bytes of the parts of a table's definition that MySQL shows as question marks.

MySQL shows definitions in three-byte UTF-8: SHOW CREATE TABLE and information_schema replace a character of four bytes, such as
an emoji, with ?. ENUM('a','😀') and ENUM('a','?') therefore look the same, although the server knows both members
exactly. Measured with 5.7.22 and 8.0.31. Only tables that show a question mark are queried:

- members of ENUM and SET, and literal defaults: from the rows of a temporary table with the same columns, which `read_only`
  allows and no application sees;
- expressions of 8.0 (generated columns, defaults, CHECKs, functional indexes): information_schema holds their bytes, each as a character
  of Latin-1.

Not detected: comments, which lose such characters when MySQL stores them; expressions of generated columns in 5.7, whose values
are compared with the rows; and members, where the account may not create temporary tables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from rds_encrypt.core.errors import ActionRequired, WriteRefused
from rds_encrypt.mysql.session import Row, Session, quote_name

__all__ = ["exact_lines"]

_SIGN = "?"
_SCRATCH = "rds_encrypt_members"
_MEMBER = re.compile(r"'(?:[^']|'')*'")
_COLUMNS = (
    "SELECT table_name AS t, column_name AS c, LOWER(data_type) AS kind, column_type AS type, column_default AS value, extra AS extra"
    " FROM information_schema.columns WHERE table_schema = %s AND table_name IN ({tables})"
    " AND (column_type LIKE '%%?%%' OR column_default LIKE '%%?%%')"
    " ORDER BY table_name, ordinal_position"
)
_HAS = (
    "SELECT DISTINCT table_name AS t FROM information_schema.columns WHERE table_schema = 'information_schema'"
    " AND (table_name, column_name) IN (('STATISTICS', 'EXPRESSION'), ('CHECK_CONSTRAINTS', 'CHECK_CLAUSE'))"
)
# Each with a table whose column appeared in the same version, 8.0.13 or 8.0.16; 5.7 truncates such expressions.
_EXPRESSIONS = (
    (
        "statistics",
        (
            "SELECT table_name AS t, column_name AS n, 'generated column' AS what, HEX(generation_expression) AS h"
            " FROM information_schema.columns WHERE table_schema = %s AND table_name IN ({tables}) AND generation_expression <> ''"
        ),
    ),
    (
        "statistics",
        (
            "SELECT table_name AS t, column_name AS n, 'default of' AS what, HEX(column_default) AS h"
            " FROM information_schema.columns WHERE table_schema = %s AND table_name IN ({tables}) AND extra LIKE '%%DEFAULT_GENERATED%%'"
        ),
    ),
    (
        "statistics",
        (
            "SELECT DISTINCT table_name AS t, index_name AS n, CONCAT('index, part ', seq_in_index, ',') AS what, HEX(expression) AS h"
            " FROM information_schema.statistics WHERE table_schema = %s AND table_name IN ({tables}) AND expression IS NOT NULL"
        ),
    ),
    (
        "check_constraints",
        (
            "SELECT c.table_name AS t, k.constraint_name AS n, 'check' AS what, HEX(k.check_clause) AS h"
            " FROM information_schema.check_constraints AS k JOIN information_schema.table_constraints AS c"
            " ON (c.constraint_schema, c.constraint_name) = (k.constraint_schema, k.constraint_name)"
            " WHERE k.constraint_schema = %s AND c.table_name IN ({tables})"
        ),
    ),
)


def exact_lines(session: Session, schema: str, tables: Iterable[str]) -> dict[str, list[str]]:
    """Return additional lines for these tables' definitions, by table: the text behind their question marks."""
    names = list(tables)
    if not names:
        return {}
    lines_by_table: dict[str, list[str]] = defaultdict(list)
    columns: dict[str, list[Row]] = defaultdict(list)
    for row in session.rows(_with(_COLUMNS, names), schema, *names):
        columns[_text(row["t"])].append(row)
    for table, some in columns.items():
        try:
            lines_by_table[table] += _literals(session, schema, table, some)
        except ActionRequired as error:
            if not _not_allowed(error):
                raise
    for question in _expressions(session):
        for row in session.rows(_with(question, names), schema, *names):
            lines_by_table[_text(row["t"])].append(
                f"  {_text(row['what'])} {quote_name(_text(row['n']))}: {_expression(row['h'])}"
            )
    return {table: sorted(lines) for table, lines in lines_by_table.items()}


def _expressions(session: Session) -> list[str]:
    """Return the queries about expressions that this server can answer: those whose columns it has."""
    has = {_text(row["t"]).lower() for row in session.rows(_HAS)}
    return [question for table, question in _EXPRESSIONS if table in has]


def _literals(session: Session, schema: str, table: str, columns: list[Row]) -> Iterator[str]:
    """Read members and defaults of these columns from a temporary table: row 0 has the defaults, row n the nth members."""
    members = {_text(row["c"]): _members(row) for row in columns}
    names = [quote_name(name) for name in members]
    scratch = f"{quote_name(schema)}.{quote_name(_SCRATCH)}"
    origin = f"{quote_name(schema)}.{quote_name(table)}"
    # With a key: `sql_require_primary_key` applies to temporary tables too.
    session.execute(
        f"CREATE TEMPORARY TABLE {scratch} (`rds_encrypt n` BIGINT UNSIGNED NOT NULL PRIMARY KEY)"  # noqa: S608 - quoted names
        f" SELECT 0 AS `rds_encrypt n`, {', '.join(names)} FROM {origin} LIMIT 0"
    )
    try:
        for number in range(1 + max(count for count, _ in members.values())):
            given = [
                (quote_name(name), 1 << (number - 1) if bits else number)
                for name, (count, bits) in members.items()
                if 1 <= number <= count
            ]
            into = ", ".join(["`rds_encrypt n`", *(name for name, _ in given)])
            values = ", ".join(map(str, [number, *(value for _, value in given)]))
            session.execute(f"INSERT IGNORE INTO {scratch} ({into}) VALUES ({values})")  # noqa: S608
        shown = ", ".join(f"HEX({name}) AS c{index}" for index, name in enumerate(names))
        rows = session.rows(f"SELECT {shown} FROM {scratch} ORDER BY `rds_encrypt n`")  # noqa: S608
    finally:
        session.execute(f"DROP TEMPORARY TABLE {scratch}")
    for index, (row, (name, (count, _))) in enumerate(zip(columns, members.items(), strict=True)):
        values_of = [_literal(scratch_row[f"c{index}"]) for scratch_row in rows]
        if count:
            yield f"  members of {quote_name(name)}: {', '.join(values_of[1 : count + 1])}"
        if _SIGN in _text(row["value"]) and "DEFAULT_GENERATED" not in _text(row["extra"]):
            yield f"  default of {quote_name(name)}: {values_of[0]}"


def _not_allowed(error: ActionRequired) -> bool:
    """Whether the account may not create temporary tables here: then only what MySQL shows can be compared."""
    cause = error.__cause__
    return isinstance(error, WriteRefused) or (
        cause is not None and cause.args[:1] in {(1044,), (1142,), (1227,)}
    )


def _members(row: Row) -> tuple[int, bool]:
    """Return the number of a column's members, 0 if it is neither ENUM nor SET, and whether they are bits."""
    kind = _text(row["kind"])
    if kind not in {"enum", "set"}:
        return 0, False
    return len(_MEMBER.findall(_text(row["type"]))), kind == "set"


def _literal(digits: object) -> str:
    if digits is None:
        return "NULL"
    text = bytes.fromhex(_text(digits)).decode("utf-8", "backslashreplace")
    return "'" + text.replace("'", "''") + "'"


def _expression(digits: object) -> str:
    """Return an expression as its author wrote it, if its bytes are text; else as MySQL holds it."""
    held = bytes.fromhex(_text(digits)).decode("utf-8", "backslashreplace")
    try:
        return held.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return held


def _with(question: str, tables: list[str]) -> str:
    return question.replace("{tables}", ", ".join(["%s"] * len(tables)))


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
