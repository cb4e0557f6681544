"""Validates the settings of a stack's config or of a program; an error is one sentence that names the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any, get_args

import pulumi
from pulumi.runtime.config import get_config_env
from pydantic import TypeAdapter, ValidationError

from components.complaints import NAMESPACE, complaint, stray
from rds_encrypt.check import Scope
from rds_encrypt.checks import registry
from rds_encrypt.config_keys import group_in, key_of, keys_of
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.settings import Settings, SourceSettings

__all__ = ["load", "parse", "source_settings"]

_VALIDATOR = TypeAdapter(Settings)
_MIDNIGHT = " 00:00:00 +0000 UTC"
"""What Pulumi adds to a date that the config does not quote."""


def load(config: pulumi.Config) -> Settings:
    """Read the stack's config.

    Raises:
        PreconditionFailed: the first error, by its key.
    """
    names = (key.partition(":") for key in get_config_env())
    ours = [name for namespace, _, name in names if namespace == config.name]
    known = [field.name for field in fields(Settings)]
    if refused := stray(ours, known):
        raise refused
    values = {key: config.get(key) if key == "phase" else config.get_object(key) for key in known}
    return parse({key: value for key, value in values.items() if value is not None})


def source_settings(given: SourceSettings | Mapping[str, Any]) -> SourceSettings:
    """Validate the settings of one source, which a program gives as settings or as plain values; see ``load``."""
    (source,) = parse({"sources": [dict(given) if isinstance(given, Mapping) else given]}).sources
    return source


def parse(values: dict[str, Any]) -> Settings:
    """Turn plain values into settings; see ``load``."""
    try:
        settings = _VALIDATOR.validate_python(_plain(Settings, values))
    except ValidationError as error:
        raise complaint(error) from None
    _require_checks(settings)
    return settings


def _plain(kind: Any, value: Any) -> Any:
    """Return a value with short forms written out, and the words `on` and `off` where they may stand: to YAML they are booleans."""
    if value is False and "off" in get_args(kind):
        return "off"
    if kind is date and isinstance(value, str):
        return value.removesuffix(_MIDNIGHT)
    if isinstance(value, list | tuple):
        return [_plain(kind, item) for item in value]
    group = group_in(kind)
    if group is not None and isinstance(value, str) and (key := getattr(group, "SHORT", None)):
        return {key: value}
    if group is None or not isinstance(value, Mapping):
        return value
    kinds = keys_of(group)
    words = {"on" if key is True else key: inner for key, inner in value.items()}
    return {key: _plain(kinds.get(key_of(key)), inner) for key, inner in words.items()}


def _require_checks(settings: Settings) -> None:
    """Refuse to accept a check that does not exist, or that a phase cannot do without."""
    scopes = {check.name: check.scope for check in registry.ALL}
    for number, source in enumerate(settings.sources):
        for name in source.accept:
            if scopes.get(name, Scope.EVERY_RUN) is Scope.EVERY_RUN:
                why = "cannot be accepted: it runs every time" if name in scopes else "is not a check"
                raise PreconditionFailed(
                    f"{name!r} {why}. docs/concepts.md#the-checks lists the checks",
                    where=f"{NAMESPACE}:sources[{number}].accept.{name}",
                )
