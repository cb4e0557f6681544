"""Property values between the engine's protobuf structs and plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime.rpc import UNKNOWN

#: A resource's or function's properties under their schema names.
Properties = dict[str, Any]

__all__ = ["UNKNOWN", "Properties", "has_unknown", "is_empty", "pack", "same", "unpack"]


def unpack(struct: struct_pb2.Struct) -> Properties:
    """Read a struct; whole numbers become `int`, nulls are left out."""
    return {
        name: _value(value)
        for name, value in struct.fields.items()
        if value.WhichOneof("kind") != "null_value"
    }


def _value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "struct_value":
        return unpack(value.struct_value)
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    return None if kind is None or kind == "null_value" else getattr(value, kind)


def pack(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Write a struct; properties without a value are left out."""
    struct = struct_pb2.Struct()
    struct.update({name: value for name, value in properties.items() if value is not None})
    return struct


def has_unknown(value: Any) -> bool:
    """Tell whether a value, or anything within it, is only known after an apply."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def is_empty(value: Any) -> bool:
    """Tell whether a value counts as "not set": Terraform can't tell zero, false and empty from absent."""
    return value is None or (isinstance(value, str | int | float | list | dict) and not value)


def same(old: Any, new: Any, *, unordered: bool = False) -> bool:
    """Compare two values the way the real provider's schema does."""
    if is_empty(old) and is_empty(new):
        return True
    if unordered and isinstance(old, list) and isinstance(new, list):
        return sorted(map(_sort_key, old)) == sorted(map(_sort_key, new))
    return bool(old == new)


def _sort_key(item: Any) -> str:
    return repr(sorted(item.items())) if isinstance(item, dict) else repr(item)
