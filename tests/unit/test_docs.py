"""The docs against what they speak of: every setting with its default, every link, every `make` target."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from components.settings import Settings, SourceSettings
from migration import journal
from migration.cutover.guards import GUARDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = ROOT / "README.md"
CONCEPTS = ROOT / "docs" / "concepts.md"

_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_MAKE = re.compile(r"(?:`|\$ |^ {4}|\()make (?:-s )?(?P<target>[a-z][a-z-]*)", re.MULTILINE)
_CELL = re.compile(r"`([^`]+)`")


def _settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give every key with its default as the table shows it."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        nested = _model_in(field.annotation)
        if nested is not None:
            yield from _settings(nested, f"{key}.")
        else:
            yield key, _shown(field.default)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Give the model that an annotation is, or is optionally; a list of them is a key of its own."""
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _shown(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    if default is None or default == ():
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _rows(text: str) -> dict[str, list[str]]:
    """Give the rows of all tables in a text by each of the keys in their first cell."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            rows |= dict.fromkeys(_CELL.findall(cells[0]), cells)
    return rows


def _config_table() -> dict[str, list[str]]:
    return _rows(README.read_text(encoding="utf-8").split("### Config\n", 1)[1].split("\n###", 1)[0])


# `phase` is a key of the stack and of a source: one row speaks of both, with the stack's default.
EXPECTED = dict(_settings(SourceSettings)) | dict(_settings(Settings))


@pytest.mark.parametrize(("key", "default"), sorted(EXPECTED.items()))
def test_the_readme_lists_every_setting_with_its_default(key: str, default: str) -> None:
    row = _config_table().get(key)

    assert row is not None, f"the config table in README.md has no row for `{key}`"
    assert row[1] == default


def test_the_readme_lists_no_setting_that_does_not_exist() -> None:
    assert set(_config_table()) == set(EXPECTED)


def test_the_concepts_list_every_guard_and_every_tag_of_the_journal() -> None:
    rows = _rows(CONCEPTS.read_text(encoding="utf-8"))
    tags = {key.partition(":")[2] for key in journal.KEYS}

    assert set(GUARDS) | tags <= set(rows)


def _links() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for match in _LINK.finditer(text):
            if not re.match(r"[a-z]+:", match["target"]):
                yield str(page.relative_to(ROOT)), match["target"]


@pytest.mark.parametrize(("page", "target"), sorted(set(_links())))
def test_every_relative_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (ROOT / page).parent / path if path else ROOT / page

    assert there.exists(), f"{page} links to {target}"
    if anchor:
        assert anchor in _anchors(there), f"{page} links to {target}, and there is no such heading"


def _anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_make_target_in_the_docs_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {
        (match["target"], str(page.relative_to(ROOT)))
        for page in PAGES
        for match in _MAKE.finditer(page.read_text(encoding="utf-8"))
    }

    assert named
    assert {entry for entry in named if entry[0] not in targets} == set()


def test_every_page_of_decisions_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in sorted(folder.glob("0*.md")) if f"({page.name})" not in listed] == []


def test_the_grants_name_every_procedure_that_the_program_calls() -> None:
    grants = (ROOT / "docs" / "mysql-grants.sql").read_text(encoding="utf-8")
    called = {
        procedure
        for file in (ROOT / "replication").glob("*.py")
        for procedure in re.findall(r'"(mysql\.rds_(?!configuration)\w+)"', file.read_text(encoding="utf-8"))
    }

    assert called
    assert {procedure for procedure in called if procedure not in grants} == set()
