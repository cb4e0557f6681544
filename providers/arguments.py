"""The typed arguments of steps: frozen dataclasses, read from the mappings that the engine passes to a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

import pulumi

from rds_encrypt.access import AccessSettings
from rds_encrypt.names import Names
from rds_encrypt.verification.plan import Mode

__all__ = [
    "EncryptedArgs",
    "NamedArgs",
    "PairArgs",
    "ReplicaArgs",
    "StepArgs",
    "VerifyOptions",
    "known",
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
    """The arguments of every step. At preview, what another resource will output is still ``UNKNOWN``.

    A field that is added later needs a default, because older states lack it.

    Attributes:
        source_id: the source's DbiResourceId.
        access: the account for MySQL, and the connection.
        urn: the step's own, so that it can show messages in its row.
    """

    source_id: str
    access: AccessSettings = field(default_factory=AccessSettings)
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
        return frozenset(each.name for each in fields(cls) if _RECORDED not in each.metadata)

    @classmethod
    def to_inputs(cls, **given: Any) -> dict[str, Any]:
        """Return the inputs of a resource, with defaults; the values are plain, or outputs of other resources.

        Raises:
            TypeError: a key is missing, or is not an argument.
        """
        cls(**given)
        declared = cls.declared()
        defaults = {each.name: each.default for each in fields(cls) if each.default is not MISSING}
        return {**{key: value for key, value in defaults.items() if key in declared}, **given}


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


@dataclass(frozen=True)
class VerifyOptions:
    """The settings `verify` of a source.

    Attributes:
        sample: the fraction of the ranges that level ``sample`` compares.
        max_age: hours for which a clean verification counts.
        threads: sessions on each side.
        max_stop_minutes: the longest stop of both instances.
    """

    level: Mode | Literal["off"]
    sample: float
    max_age: float
    threads: int
    max_stop_minutes: float


def known(value: object) -> bool:
    """Whether a value is known; at preview, what another resource will output is not."""
    return value != pulumi.runtime.rpc.UNKNOWN


def read(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return a dataclass of plain values, converted to what its annotations say; what is missing takes its default."""
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type] # a dataclass
    return kind(**{name: _typed(hints[name], values[name]) for name in names if values.get(name) is not None})


def _typed(hint: Any, value: Any) -> Any:
    """Convert one value: the engine passes each number as a float, and each dataclass as a mapping."""
    if value is None or isinstance(value, pulumi.output.Unknown) or not known(value):
        return value
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        first = next(part for part in parts if part is not NoneType)
        return _typed(first, value)
    if origin is tuple:
        return tuple(_typed(parts[0], each) for each in value)
    if hint in {int, float}:
        return hint(value)
    if is_dataclass(hint):
        from_inputs = getattr(hint, "from_inputs", None)
        return from_inputs(value) if from_inputs else read(hint, value)  # type: ignore[arg-type] # a class
    return value
