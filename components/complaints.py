"""Errors in the config as one sentence: the key, what it must be, what it is, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rds_encrypt.config_keys import group_in, key_of, keys_of
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.settings import Settings

__all__ = ["NAMESPACE", "PAGE", "complaint", "stray"]

NAMESPACE = "rds-encrypt"
PAGE = "docs/configuration.md"

_MUST = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entry",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "date_type": "must be a date, such as 2026-12-03",
    "date_parsing": "must be a date, such as 2026-12-03",
    "date_from_datetime_parsing": "must be a date, such as 2026-12-03",
    "date_from_datetime_inexact": "must be a date, such as 2026-12-03",
    "bool_type": "must be `true` or `false`",
    "bool_parsing": "must be `true` or `false`",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dataclass_type": "must be a mapping",
    "dict_type": "must be a mapping",
}
"""Our words for pydantic's errors; others keep pydantic's own."""
_NESTED = {"dataclass_type", "dict_type", "tuple_type"}


def complaint(error: ValidationError) -> PreconditionFailed:
    """Return the first error of the settings."""
    first = error.errors(include_url=False)[0]
    path = first["loc"]  # of keys in values, of fields in instances
    key = _key(path)
    match first["type"]:
        case "missing":
            # A mapping cannot be set to a value: the advice is for the key that is usually needed.
            key_to_set = f"{key}.secretId" if path[-1] == "credentials" else key
            return PreconditionFailed("this key is missing", where=key, fix=_set(key_to_set))
        case "unexpected_keyword_argument":
            return _unknown(key, str(path[-1]), _keys_beside(path))
        case "value_error":
            return PreconditionFailed(first["msg"].removeprefix("Value error, "), where=key)
    return PreconditionFailed(f"{_must(first)}{_given(first['input'])}", where=key, fix=_advice(key, first))


def stray(names: Iterable[str], known: Iterable[str]) -> PreconditionFailed | None:
    """Return the error for the first unknown key of the stack; ``None`` if all are known."""
    keys = sorted(known)
    for name in sorted(names):
        if name in keys:
            continue
        if any(name.startswith((f"{key}.", f"{key}[")) for key in keys):
            # `pulumi config set` without `--path` takes the brackets as part of the name.
            return PreconditionFailed(
                "this is a path, set as if it were the name of a key",
                where=f"{NAMESPACE}:{name}",
                fix=f"`pulumi config rm '{NAMESPACE}:{name}'`, then set it again with `--path`",
            )
        return _unknown(f"{NAMESPACE}:{name}", name, keys)
    return None


def _key(path: tuple[int | str, ...]) -> str:
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{NAMESPACE}:{joined}" if joined else NAMESPACE


def _set(key: str) -> str:
    return f"`pulumi config set --path '{key}' …`"


def _unknown(key: str, name: str, known: Iterable[str]) -> PreconditionFailed:
    lowered = {known_key.lower(): known_key for known_key in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1)
    meant = f"Did you mean `{lowered[close[0]]}`? {PAGE}" if close else PAGE
    return PreconditionFailed("unknown key", where=key, fix=f"{meant} lists all keys")


def _keys_beside(path: tuple[int | str, ...]) -> Iterable[str]:
    """Return the known keys in the place of an unknown one."""
    group: type = Settings
    for part in path[:-1]:
        if isinstance(part, str):
            group = group_in(keys_of(group).get(key_of(part))) or group
    return keys_of(group)


def _must(first: ErrorDetails) -> str:
    if first["type"] == "literal_error":
        return f"must be one of {first['ctx']['expected'].replace(' or ', ', ')}"
    form = _MUST.get(first["type"])
    if form is None:
        return first["msg"][:1].lower() + first["msg"][1:]
    return form.format(**first.get("ctx", {}))


def _given(value: Any) -> str:
    if isinstance(value, bool):
        return f" (it is {str(value).lower()})"
    return f" (it is {value!r})" if isinstance(value, str | int | float) else ""


def _advice(key: str, first: ErrorDetails) -> str:
    if first["type"] in _NESTED:
        return f"{PAGE} shows how to write it"
    if first["type"] == "literal_error" and isinstance(first["input"], str):
        choices = first["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        if close := difflib.get_close_matches(first["input"], choices, n=1):
            return f"`pulumi config set --path '{key}' {close[0]}`"
    return _set(key)
