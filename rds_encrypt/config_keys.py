"""The keys of the config: how they are spelled, and what a group of settings has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

__all__ = ["group_in", "key_of", "keys_of"]


def key_of(name: str) -> str:
    """Return a field's key in the config: in camelCase."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def keys_of(group: type) -> Mapping[str, Any]:
    """Return the keys of a group as the config spells them, and their types."""
    hints = get_type_hints(group)
    return {key_of(field.name): hints[field.name] for field in fields(group)}


def group_in(kind: Any) -> type | None:
    """Return the group that a key of this type holds: one, perhaps one, or a list of them; ``None`` for other values."""
    kinds = (kind, *get_args(kind))
    return next((part for part in kinds if isinstance(part, type) and is_dataclass(part)), None)
