"""Names that users' states, configs, scripts and policies refer to: frozen since 0.1.0."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.cutover import Cutover
from providers.resource import StepResource
from providers.step import Step
from providers.verification import Verification
from rds_encrypt.checks import registry
from rds_encrypt.config_keys import group_in, keys_of
from rds_encrypt.cutover.checks import CHECKS
from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.journal import KEYS
from rds_encrypt.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FROZEN: dict[str, list[str]] = json.loads(Path(__file__).with_name("frozen_names.json").read_text("utf-8"))


def steps() -> Iterator[str]:
    """Where a state finds each provider, and the type that its resource has there."""
    for file in sorted((ROOT / "providers").glob("*.py")):
        module = importlib.import_module(f"providers.{file.stem}")
        for name, member in vars(module).items():
            if not isinstance(member, type) or member.__module__ != module.__name__:
                continue
            if issubclass(member, Step) and member is not Step:
                yield f"{module.__name__}.{name}"
            if issubclass(member, StepResource) and member is not StepResource:
                yield f"pulumi-python:{member._resource_type_name}"


def keys(group: type, prefix: str = "") -> Iterator[str]:
    """The keys of a group of settings, as users write them."""
    for key, kind in keys_of(group).items():
        yield f"{prefix}{key}"
        if inner := group_in(kind):
            yield from keys(inner, f"{prefix}{key}.")


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
    """A name that goes, or changes, breaks what users have. A release adds its new names to frozen_names.json."""
    assert set(FROZEN[what]) <= set(names)
