"""What the tree promises: who imports whom, and that the program says nothing of what stands in for AWS on a laptop."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("rds_encrypt", "providers", "components")


def program() -> Iterator[Path]:
    """Everything of the program that is text, whatever its suffix."""
    yield ROOT / "__main__.py"
    for package in PACKAGES:
        yield from (
            path
            for path in sorted((ROOT / package).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        )


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports, also inside functions."""
    packages: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            packages.add(node.module.partition(".")[0])
    return packages


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("word", ["sandbox", "127.0.0.1", "localhost", "moto"])
def test_the_program_never_mentions(word: str) -> None:
    mentions = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in program()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1)
        if word in line.lower()
    ]
    assert mentions == []


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("rds_encrypt", {"pulumi", "pulumi_aws", "pydantic"}),
        ("rds_encrypt/aws", {"pymysql"}),
        ("rds_encrypt/mysql", {"boto3", "botocore"}),
        ("rds_encrypt/verification", {"boto3", "botocore", "pymysql"}),
        ("rds_encrypt/cutover", {"boto3", "pymysql"}),
        ("rds_encrypt/checks", {"boto3", "pymysql"}),
        ("rds_encrypt/core", {"boto3", "botocore", "pymysql"}),
        ("providers", {"pulumi_aws", "boto3", "pymysql"}),
        ("components", {"boto3", "pymysql"}),
    ],
)
def test_each_layer_knows_only_its_own_tools(package: str, forbidden: set[str]) -> None:
    assert modules(package)
    assert {path.name: known for path in modules(package) if (known := imported(path) & forbidden)} == {}


def test_a_step_never_imports_another_layer_above_it() -> None:
    assert not any(imported(path) & {"components"} for path in modules("providers"))


def test_versions_are_asked_for_in_the_dialect_alone() -> None:
    asking = [
        path.name
        for package in (
            "rds_encrypt/mysql",
            "rds_encrypt/verification",
            "rds_encrypt/cutover",
            "rds_encrypt/checks",
            "providers",
        )
        for path in modules(package)
        if re.search(r"(?<!rds_encrypt)\.version\b", path.read_text(encoding="utf-8"))
        and path.name != "dialect.py"
    ]
    assert asking == []


def test_nothing_is_swallowed() -> None:
    """No bare ``except``, no handler whose body is ``pass``."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(part, ast.Pass) for part in node.body))
    ]
    assert silent == []


def test_the_top_level_shows_the_card() -> None:
    """At most nine visible folders, those that the card names among them."""
    folders = {
        Path(line).parts[0] for line in tracked() if len(Path(line).parts) > 1 and not line.startswith(".")
    }
    assert {"providers", "components", "tests"} <= folders
    assert len(folders) <= 9, sorted(folders)


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return listed.splitlines() or [str(path.relative_to(ROOT)) for path in ROOT.glob("*/*")]


def test_a_component_s_file_fits_on_few_screens_and_none_of_the_program_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for package in PACKAGES
        for path in modules(package)
        if (count := len(path.read_text(encoding="utf-8").splitlines()))
        > (250 if package == "components" else 400)
    }
    assert long == {}


def test_main_fits_on_one_screen() -> None:
    assert len((ROOT / "__main__.py").read_text(encoding="utf-8").splitlines()) <= 20
