"""The AWS CLI's commands, run by boto3: a page may say `aws rds …`, and a test does what it says.

The CLI itself pins another botocore than the program, so it is not part of the tool chain. Its options are the members of the
same service model that botocore has, spelled with hyphens; its shorthand (`Key=a,Value=b`) is read here as far as the pages use it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jmespath  # type: ignore[import-untyped] # comes with boto3, without types
from botocore import xform_name
from botocore.model import ListShape, Shape, StructureShape
from botocore.validate import validate_parameters

__all__ = ["Call", "parsed", "run"]

_THE_CLIS_OWN = {"query", "output"}


def run(command: str, client: Callable[[str], Any]) -> Any:
    """Run `aws SERVICE OPERATION --option value…` and return its answer, after `--query`."""
    call = parsed(command, client)
    answer = getattr(client(call.service), call.method)(**call.arguments)
    return jmespath.search(call.query, answer) if call.query else answer


@dataclass(frozen=True)
class Call:
    """The call that a command makes."""

    service: str
    method: str
    arguments: dict[str, Any]
    query: str | None


def parsed(command: str, client: Callable[[str], Any]) -> Call:
    """Return what a command of the CLI would call.

    Raises:
        ValueError: the CLI has no such operation or option.
    """
    program, service, operation, *rest = shlex.split(command)
    if program != "aws":
        raise ValueError(f"{program} is not the AWS CLI")
    options = _options(rest)
    api = client(service)
    names = {xform_name(name, "-"): name for name in api.meta.service_model.operation_names}
    if operation not in names:
        raise ValueError(f"aws {service} has no operation {operation}")
    model = api.meta.service_model.operation_model(names[operation])
    members = {xform_name(name, "-"): (name, shape) for name, shape in model.input_shape.members.items()}
    arguments = {
        members[option][0]: _value(members[option][1], words)
        for option, words in _known(options, members, operation).items()
    }
    validate_parameters(arguments, model.input_shape)
    return Call(service, xform_name(names[operation]), arguments, options.get("query", [None])[0])


def _options(words: list[str]) -> dict[str, list[str]]:
    options: dict[str, list[str]] = {}
    last: list[str] = []
    for word in words:
        if word.startswith("--"):
            options[word.removeprefix("--")] = last = []
        else:
            last.append(word)
    return options


def _known(options: dict[str, list[str]], members: dict[str, Any], operation: str) -> dict[str, list[str]]:
    """Leave the CLI's own options out, and read `--no-…` as false."""
    kept: dict[str, list[str]] = {}
    for option, words in options.items():
        if option in _THE_CLIS_OWN:
            continue
        name = option if option in members else option.removeprefix("no-")
        if name not in members:
            raise ValueError(f"aws … {operation} has no option --{option}")
        kept[name] = words or ["false" if name != option else "true"]
    return kept


def _value(shape: Shape, words: list[str]) -> Any:
    if words[0].startswith("[") and len(words) == 1:
        return json.loads(words[0])
    if isinstance(shape, ListShape):
        return [_value(shape.member, [word]) for word in words]
    (word,) = words
    if isinstance(shape, StructureShape):
        if set("{}[]") & set(word):
            # Tried with the CLI: braces and brackets are its own syntax in shorthand, so `{TrueIfReplica}` needs JSON.
            raise ValueError(f"the CLI would not take {word!r} as shorthand")
        return dict(pair.split("=", 1) for pair in word.split(","))
    if shape.type_name == "boolean":
        return word == "true"
    return int(word) if shape.type_name in {"integer", "long"} else word
