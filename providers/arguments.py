"""The typed arguments of steps: frozen dataclasses, read from the mappings that the engine passes to a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

import pulumi

from rds_encrypt.access import AccessSettings
from rds_encrypt.names import Names

__all__ = [
    "EncryptedArgs",
    "NamedArgs",
    "PairArgs",
    "ReplicaArgs",
    "StepArgs",
    "as_inputs",
    "read",
    "recorded",
]

T = TypeVar("T")

_RECORDED = "recorded"


def recorded(default: T) -> T:
    """Return a field that no component declares: an earlier run of the step recorded it in the state."""
    return field(default=default, metadata={_RECORDED: True})


@dataclass(frozen=True, kw_only=True)
class StepArgs:
    """The arguments of every step. At preview, the future outputs of other resources are ``Unknown``.

    A field that is added later needs a default, because older states lack it.

    Attributes:
        source_id: the source's DbiResourceId.
        access: the account for MySQL, and the connection.
        urn: the step's own, so that it can show messages in its row.
    """

    source_id: str
    access: AccessSettings
    urn: str | None = None

    @property
    def names(self) -> Names | None:
        """The names of the migration, if the step has the source's identifier."""
        return None

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> Self:
        """Read a resource's inputs, or its state; ignore keys that are not arguments."""
        return read(cls, inputs)

    @classmethod
    def declared(cls) -> frozenset[str]:
        """Return the keys of the inputs."""
        return frozenset(argument.name for argument in fields(cls) if _RECORDED not in argument.metadata)

    @classmethod
    def to_inputs(cls, **given: Any) -> dict[str, Any]:
        """Return the inputs of a resource, with defaults; outputs of other resources stay as they are.

        Raises:
            TypeError: a key is missing, or is not an argument.
        """
        cls(**given)
        declared = cls.declared()
        defaults = {
            argument.name: argument.default for argument in fields(cls) if argument.default is not MISSING
        }
        inputs = {**{key: value for key, value in defaults.items() if key in declared}, **given}
        return {key: as_inputs(value) for key, value in inputs.items()}


@dataclass(frozen=True, kw_only=True)
class EncryptedArgs(StepArgs):
    """The arguments of a step that acts on the encrypted instance, known by its DbiResourceId."""

    encrypted_id: str


@dataclass(frozen=True, kw_only=True)
class ReplicaArgs(StepArgs):
    """The arguments of a step that acts on the replica, known by its DbiResourceId."""

    replica_id: str


@dataclass(frozen=True, kw_only=True)
class NamedArgs(StepArgs):
    """The arguments of a step that knows the source's name before the cutover."""

    identifier: str

    @property
    def names(self) -> Names:
        """The names of the migration."""
        return Names(self.identifier)


@dataclass(frozen=True, kw_only=True)
class PairArgs(NamedArgs, EncryptedArgs):
    """The arguments of a step that acts on the source and the encrypted instance, under any name."""


def as_inputs(value: Any) -> Any:
    """Return a dataclass as plain values, which a state can hold; leave out ``None``."""
    if is_dataclass(value):
        given = {attribute.name: getattr(value, attribute.name) for attribute in fields(value)}
        return {name: as_inputs(inner) for name, inner in given.items() if inner is not None}
    if isinstance(value, Mapping):
        return {name: as_inputs(inner) for name, inner in value.items()}
    return [as_inputs(item) for item in value] if isinstance(value, tuple) else value


def read(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return a dataclass of plain values, converted to its annotated types; missing values take their defaults."""
    hints = get_type_hints(kind)
    names = [attribute.name for attribute in fields(kind)]  # type: ignore[arg-type] # a dataclass
    return kind(**{name: _typed(hints[name], values[name]) for name in names if values.get(name) is not None})


def _typed(hint: Any, value: Any) -> Any:
    """Convert one value: the engine passes each number as a float, and each dataclass as a mapping."""
    if value is None or isinstance(value, pulumi.output.Unknown):
        return value
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        first = next(part for part in parts if part is not NoneType)
        return _typed(first, value)
    if origin is Mapping:
        return {name: _typed(parts[1], inner) for name, inner in value.items()}
    if origin is tuple:
        return tuple(_typed(parts[0], item) for item in value)
    if hint in {int, float}:
        return hint(value)
    return read(hint, value) if is_dataclass(hint) else value  # type: ignore[arg-type] # a class
