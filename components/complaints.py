"""Errors in the config as one sentence: the key, what it must be, what it is, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rds_encrypt.core.errors import PreconditionFailed

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
    "bool_type": "must be `true` or `false`",
    "bool_parsing": "must be `true` or `false`",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}
"""Our words for pydantic's errors; others keep pydantic's own."""
_NESTED = {"dict_type", "model_type", "model_attributes_type", "tuple_type"}


def complaint(error: ValidationError, model: type[BaseModel]) -> PreconditionFailed:
    """Return the first error of a model."""
    first = error.errors(include_url=False)[0]
    key = _key(first["loc"])
    match first["type"]:
        case "missing":
            # A mapping cannot be set to a value: the advice is for the key that is usually needed.
            wanted = f"{key}.secretId" if first["loc"][-1] == "credentials" else key
            return PreconditionFailed("this key is missing", where=key, fix=_set(wanted))
        case "extra_forbidden":
            return _unknown(key, str(first["loc"][-1]), _keys_beside(model, first["loc"]))
        case "value_error":
            return PreconditionFailed(first["msg"].removeprefix("Value error, "), where=key)
    return PreconditionFailed(f"{_must(first)}{_given(first['input'])}", where=key, fix=_advice(key, first))


def stray(names: Iterable[str], known: Iterable[str]) -> PreconditionFailed | None:
    """Return the error for the first unknown key of the stack; ``None`` if all are known."""
    wanted = sorted(known)
    for name in sorted(names):
        if name in wanted:
            continue
        if any(name.startswith((f"{each}.", f"{each}[")) for each in wanted):
            # `pulumi config set` without `--path` takes the brackets as part of the name.
            return PreconditionFailed(
                "this is a path, set as if it were the name of a key",
                where=f"{NAMESPACE}:{name}",
                fix=f"`pulumi config rm '{NAMESPACE}:{name}'`, then set it again with `--path`",
            )
        return _unknown(f"{NAMESPACE}:{name}", name, wanted)
    return None


def _key(path: tuple[int | str, ...]) -> str:
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{NAMESPACE}:{joined}" if joined else NAMESPACE


def _set(key: str) -> str:
    return f"`pulumi config set --path '{key}' …`"


def _unknown(key: str, name: str, known: Iterable[str]) -> PreconditionFailed:
    lowered = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1)
    meant = f"Did you mean `{lowered[close[0]]}`? {PAGE}" if close else PAGE
    return PreconditionFailed("unknown key", where=key, fix=f"{meant} lists all keys")


def _keys_beside(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Return the known keys in the place of an unknown one."""
    names = [part for part in path[:-1] if isinstance(part, str)]
    schema: Any = model.model_json_schema(by_alias=True)
    found = schema
    for name in names:
        found = _plain(found["properties"][name], schema)
    return list(found["properties"])


def _plain(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a part of a JSON schema to the object behind lists, alternatives and references."""
    for inner in (part.get("items"), *part.get("anyOf", ())):
        if inner is not None and inner.get("type") != "null":
            return _plain(inner, schema)
    if "$ref" in part:
        found: dict[str, Any] = schema["$defs"][part["$ref"].rpartition("/")[2]]
        return found
    return part


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
