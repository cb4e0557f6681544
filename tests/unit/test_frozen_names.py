"""Names that users' states, configs, scripts and policies refer to: frozen since 0.1.0."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from components.settings import Settings
from providers.cutover import Cutover
from providers.resource import StepResource
from providers.step import Step
from providers.verification import Verification
from rds_encrypt.checks import registry
from rds_encrypt.cutover.checks import CHECKS
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.journal import KEYS

ROOT = Path(__file__).resolve().parents[2]
FROZEN: dict[str, list[str]] = json.loads(Path(__file__).with_name("frozen_names.json").read_text("utf-8"))


def steps() -> Iterator[str]:
    """Where a state finds each provider, and the type that its resource has there."""
    for file in sorted((ROOT / "providers").glob("*.py")):
        module = importlib.import_module(f"providers.{file.stem}")
        for name, found in vars(module).items():
            if not isinstance(found, type) or found.__module__ != module.__name__:
                continue
            if issubclass(found, Step) and found is not Step:
                yield f"{module.__name__}.{name}"
            if issubclass(found, StepResource) and found is not StepResource:
                yield f"pulumi-python:{found._resource_type_name}"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of a part of the config, as users write them."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        yield key
        for inner in models_in(field.annotation):
            yield from keys(inner, f"{key}.")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def outputs() -> Iterator[str]:
    """The outputs of a migration: those of two steps, and those that the component names itself."""
    yield from Cutover.output_names()
    yield from Verification.output_names()
    tree = ast.parse((ROOT / "components" / "migration.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign)) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr == "outputs":
                yield from (key.value for key in node.value.keys if isinstance(key, ast.Constant))  # type: ignore[misc] # all are str


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("steps", steps()),
        ("config keys", keys(Settings)),
        ("checks", CHECKS),
        ("preview checks", [check.name for check in registry.PREVIEW]),
        ("outputs", outputs()),
        ("tags", KEYS),
        ("moments", map(str, Moment)),
    ],
    ids=["steps", "config keys", "checks", "preview checks", "outputs", "tags", "moments"],
)
def test_names_are_frozen(what: str, names: Any) -> None:
    """A new name is entered in frozen_names.json; one that goes, or changes, breaks what users have."""
    assert sorted(set(names)) == FROZEN[what]
