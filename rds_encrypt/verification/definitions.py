"""Compares everything but rows: tables, views, routines, triggers, events, accounts with their grants, and what statements mean.

Servers show equal definitions with the same text. What may differ is removed first: counters, the state of events (disabled
on a copy), and RDS's own accounts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from itertools import takewhile, zip_longest

from rds_encrypt.mysql.accounts import OUR_USERS, RDS_USERS
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Row, Session, quote_name
from rds_encrypt.verification.differences import Difference
from rds_encrypt.verification.exact_text import exact_lines

__all__ = ["MEANINGFUL", "Definitions", "compare_definitions", "compare_variables", "read_definitions"]

MEANINGFUL = (
    "auto_increment_increment",
    "auto_increment_offset",
    "block_encryption_mode",
    "character_set_client",
    "character_set_connection",
    "character_set_database",
    "character_set_filesystem",
    "character_set_results",
    "character_set_server",
    "collation_connection",
    "collation_database",
    "collation_server",
    "default_authentication_plugin",
    "default_collation_for_utf8mb4",
    "default_storage_engine",
    "default_week_format",
    "div_precision_increment",
    "explicit_defaults_for_timestamp",
    "ft_max_word_len",
    "ft_min_word_len",
    "group_concat_max_len",
    "innodb_default_row_format",
    "innodb_ft_max_token_size",
    "innodb_ft_min_token_size",
    "innodb_strict_mode",
    "lc_time_names",
    "log_bin_trust_function_creators",
    "lower_case_table_names",
    "max_allowed_packet",
    "max_sp_recursion_depth",
    "ngram_token_size",
    "partial_revokes",
    "sql_auto_is_null",
    "sql_mode",
    "sql_require_primary_key",
    "sql_safe_updates",
    "time_zone",
    "transaction_isolation",
    "updatable_views_with_limit",
)
"""Server variables that change what a statement does or means; those that a version lacks are not compared."""

_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_EVENT_STATE = re.compile(r" (?:ENABLE|DISABLE ON SLAVE|DISABLE ON REPLICA|DISABLE)(?= COMMENT| DO )")
_SECRET = re.compile(r"(IDENTIFIED WITH '[^']*' AS )(.*?)( REQUIRE )", re.DOTALL)
_SALTED = re.compile("IDENTIFIED WITH '(caching_sha2|sha256)_password'")
_LONG = 160
_DIGEST = re.compile(r"<[0-9a-f]{64}>")

Definitions = Mapping[tuple[str, str], str]
"""Definitions by kind and name, such as ``("view", "shop.totals")``."""


def read_definitions(session: Session, master: str = "") -> Definitions:
    """Return the definitions of everything that belongs to the owner; ``master`` is the master user."""
    definitions: dict[tuple[str, str], str] = {}
    for schema in session.rows(
        "SELECT schema_name AS s FROM information_schema.schemata WHERE schema_name NOT IN (%s, %s, %s, %s)",
        *SYSTEM_SCHEMAS,
    ):
        name = str(schema["s"])
        definitions["schema", name] = _shown(
            session, f"SHOW CREATE DATABASE {quote_name(name)}", "Create Database"
        )
        definitions |= _tables(session, name)
        definitions |= _programs(session, name)
    return definitions | _accounts(session, master)


def compare_definitions(reference: Definitions, copy: Definitions) -> list[Difference]:
    """Return what is missing, extra, or defined differently, with the lines that differ."""
    differences: list[Difference] = []
    for kind, name in sorted(reference.keys() | copy.keys()):
        ours, theirs = reference.get((kind, name)), copy.get((kind, name))
        if ours is None or theirs is None:
            differences.append(Difference(kind, name, "", _presence(ours), _presence(theirs)))
        elif ours != theirs:
            differences += _lines(kind, name, ours, theirs)
    return differences


def compare_variables(reference: Session, copy: Session) -> list[Difference]:
    """Return the variables of ``MEANINGFUL`` whose values differ on the copy."""
    ours, theirs = _variables(reference), _variables(copy)
    return [
        Difference("variable", name, "", ours.get(name, "absent"), theirs.get(name, "absent"))
        for name in MEANINGFUL
        if ours.get(name) != theirs.get(name)
    ]


def _tables(session: Session, schema: str) -> dict[tuple[str, str], str]:
    rows = session.rows(
        "SELECT table_name AS t, table_type AS k FROM information_schema.tables WHERE table_schema = %s",
        schema,
    )
    definitions: dict[tuple[str, str], str] = {}
    doubtful: list[str] = []
    for row in rows:
        name = str(row["t"])
        full = f"{quote_name(schema)}.{quote_name(name)}"
        if row["k"] == "VIEW":
            definitions["view", f"{schema}.{name}"] = _shown(
                session,
                f"SHOW CREATE VIEW {full}",
                "Create View",
                "character_set_client",
                "collation_connection",
            )
        else:
            text = _shown(session, f"SHOW CREATE TABLE {full}", "Create Table")
            definitions["table", f"{schema}.{name}"] = _COUNTER.sub("", text)
            if "?" in text:
                doubtful.append(name)
    for name, lines in exact_lines(session, schema, doubtful).items():
        definitions["table", f"{schema}.{name}"] += "".join(f"\n{line}" for line in lines)
    return definitions


def _programs(session: Session, schema: str) -> dict[tuple[str, str], str]:
    """Return routines, triggers and events, with the settings under which their bodies run."""
    definitions: dict[tuple[str, str], str] = {}
    context = ("sql_mode", "character_set_client", "collation_connection", "Database Collation")
    for row in session.rows(
        "SELECT routine_name AS n, routine_type AS k FROM information_schema.routines WHERE routine_schema = %s",
        schema,
    ):
        kind, name = str(row["k"]), str(row["n"])
        statement = f"SHOW CREATE {kind} {quote_name(schema)}.{quote_name(name)}"
        definitions[kind.lower(), f"{schema}.{name}"] = _shown(
            session, statement, f"Create {kind.capitalize()}", *context
        )
    for row in session.rows(
        "SELECT trigger_name AS n FROM information_schema.triggers WHERE trigger_schema = %s", schema
    ):
        statement = f"SHOW CREATE TRIGGER {quote_name(schema)}.{quote_name(str(row['n']))}"
        definitions["trigger", f"{schema}.{row['n']}"] = _shown(
            session, statement, "SQL Original Statement", *context
        )
    for row in session.rows(
        "SELECT event_name AS n FROM information_schema.events WHERE event_schema = %s", schema
    ):
        statement = f"SHOW CREATE EVENT {quote_name(schema)}.{quote_name(str(row['n']))}"
        text = _shown(session, statement, "Create Event", "time_zone", *context)
        definitions["event", f"{schema}.{row['n']}"] = _EVENT_STATE.sub("", text, count=1)
    return definitions


def _accounts(session: Session, master: str) -> dict[tuple[str, str], str]:
    """Return accounts and their grants, with a digest of each password hash that the server stores.

    Except the master user's, if it is salted: RDS may set the master password of a restored instance again, with another salt.
    """
    not_theirs = (*RDS_USERS, *OUR_USERS)
    rows = session.rows(
        f"SELECT user AS u, host AS h FROM mysql.user WHERE user NOT IN ({', '.join(['%s'] * len(not_theirs))})",  # noqa: S608 - placeholders
        *not_theirs,
    )
    definitions: dict[tuple[str, str], str] = {}
    for row in rows:
        user, host = str(row["u"]), str(row["h"])
        created = session.value("SHOW CREATE USER %s@%s", user, host)
        grants = sorted(_first(grant) for grant in session.rows("SHOW GRANTS FOR %s@%s", user, host))
        shown = _without_secret(_as_text(created))
        if user == master and _SALTED.search(shown):
            shown = _masked(shown)
        definitions["account", f"'{user}'@'{host}'"] = "\n".join([shown, *grants])
    return definitions


def _without_secret(statement: str) -> str:
    return _SECRET.sub(lambda match: f"{match[1]}{_digest(match[2])}{match[3]}", statement)


def _digest(secret: str) -> str:
    return f"<{hashlib.sha256(secret.encode('utf-8', 'surrogateescape')).hexdigest()}>"


def _lines(kind: str, name: str, ours: str, theirs: str) -> list[Difference]:
    if _masked(ours) == _masked(theirs):
        return [Difference(kind, name, "password", "one", "another")]
    left, right = _masked(ours).splitlines(), _masked(theirs).splitlines()
    gone = [line for line in left if line not in right]
    new = [line for line in right if line not in left]
    if not gone and not new:
        unlike = [pair for pair in zip_longest(left, right) if pair[0] != pair[1]]
        return [Difference(kind, name, "order of its parts", *_excerpts(*unlike[0]))]
    return [
        Difference(kind, name, "definition", *_excerpts(one, other)) for one, other in zip_longest(gone, new)
    ]


def _masked(text: str) -> str:
    """Return a definition without password digests: they are compared, never shown."""
    return _DIGEST.sub("<secret>", text)


def _excerpts(one: str | None, other: str | None) -> tuple[str, str]:
    """Return two lines for a sentence; long ones start shortly before they diverge."""
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one or "", other or "", strict=False))))
    return _excerpt(one, same), _excerpt(other, same)


def _excerpt(line: str | None, same: int) -> str:
    if line is None:
        return "nothing"
    text = line.strip().rstrip(",")
    if len(text) <= _LONG:
        return f"«{text}»"
    begin = max(0, same - _LONG // 3)
    cut = text[begin : begin + _LONG]
    return f"«{'…' if begin else ''}{cut}{'…' if begin + _LONG < len(text) else ''}»"


def _presence(text: str | None) -> str:
    return "missing" if text is None else "present"


def _variables(session: Session) -> dict[str, str]:
    rows = session.rows(
        f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(['%s'] * len(MEANINGFUL))})", *MEANINGFUL
    )
    return {str(row["Variable_name"]): str(row["Value"]) for row in rows}


def _shown(session: Session, statement: str, *columns: str) -> str:
    row = session.row(statement) or {}
    # A body that the account may not see is NULL; both sides use the same account.
    return "\n".join(_as_text(row.get(column)) for column in columns)


def _first(row: Row) -> str:
    return _as_text(next(iter(row.values())))


def _as_text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
