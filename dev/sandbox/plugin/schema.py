"""What pulumi-aws's own Python classes declare: the names and types of each resource's inputs and outputs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import _types

__all__ = ["Schema", "schema_of"]


@dataclass(frozen=True)
class Schema:
    """The properties of one resource type, under their schema (camelCase) names."""

    inputs: frozenset[str]
    required: frozenset[str]
    outputs: Mapping[str, Any]

    def zero(self, name: str) -> Any:
        """Give the value that the real provider reports for a property that AWS left out."""
        return {str: "", int: 0, bool: False}.get(self.outputs[name])


def schema_of(resource: type[pulumi.CustomResource]) -> Schema:
    """Derive a resource's schema from its SDK class and the `…Args` class beside it."""
    args = getattr(sys.modules[resource.__module__], f"{resource.__name__}Args")
    names = _types.input_type_py_to_pulumi_names(args)
    parameters = inspect.signature(args.__init__).parameters
    required = {
        names[name] for name, parameter in parameters.items() if name in names and _is_required(parameter)
    }
    return Schema(frozenset(names.values()), frozenset(required), dict(_types.resource_types(resource)))


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty
