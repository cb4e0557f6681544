"""The docs against what they describe: every setting, every command with who runs it, every link, every `make` target."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
import yaml  # type: ignore[import-untyped] # comes with pulumi, without types

from components.settings import parse
from rds_encrypt.checks import registry
from rds_encrypt.journal import KEYS
from rds_encrypt.mysql.rds_accounts import RDS_USERS
from rds_encrypt.settings import Settings
from tests.engine import aws_cli
from tests.unit import docs_register

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = ROOT / "README.md"
CONCEPTS = ROOT / "docs" / "concepts.md"
MEASUREMENTS = ROOT / "docs" / "measurements.md"


def _script(name: str) -> ModuleType:
    """Load a script from tools/, which is not a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "dev" / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


configuration_page = _script("configuration_page")

_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_MAKE = re.compile(r"(?:`|\$ |^ {4}|\()make (?:-s )?(?P<target>[a-z][a-z-]*)", re.MULTILINE)
_CELL = re.compile(r"`([^`]+)`")


def _rows(text: str) -> dict[str, list[str]]:
    """Return the rows of all tables in a text by each of the keys in their first cell."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            rows |= dict.fromkeys(_CELL.findall(cells[0]), cells)
    return rows


def test_the_configuration_is_what_the_program_reads() -> None:
    assert configuration_page.PAGE.read_text(encoding="utf-8") == configuration_page.page(), (
        "run `make docs-configuration`"
    )


def test_the_example_of_the_configuration_is_accepted() -> None:
    assert len(settings_in(configuration_page.EXAMPLE).sources) == 2


def test_the_configs_of_the_readme_are_accepted() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

    assert [len(settings_in(block).sources) for block in blocks] == [2]


def settings_in(config: str) -> Settings:
    """Return the settings of a stack's file."""
    values = yaml.safe_load(config)["config"]
    prefix = "rds-encrypt:"
    return parse({key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)})


def test_every_command_of_the_docs_is_registered_and_nothing_else_is() -> None:
    documented = {
        command.text for command in docs_register.commands() if not is_checked_elsewhere(command.text)
    }

    assert documented - set(docs_register.REGISTER) == set(), "a command that nobody is known to run"
    assert set(docs_register.REGISTER) - documented == set(), "no page has this any more"


def is_checked_elsewhere(command: str) -> bool:
    """Whether it is on the page that is made by typing it, or is AWS's, which has tests of its own."""
    return command in TYPED or command.startswith("aws ")


def test_the_first_hour_has_what_is_typed_and_nothing_else() -> None:
    page = [command.text for command in docs_register.commands() if command.page == "docs/first-hour.md"]

    assert set(page) == docs_register.typed()


@pytest.mark.parametrize(("command", "entry"), sorted(docs_register.REGISTER.items()))
def test_who_is_said_to_run_a_command_does(command: str, entry: docs_register.Entry) -> None:
    match entry:
        case docs_register.Run(by=by, proof=proof):
            assert proof in (ROOT / by).read_text(encoding="utf-8"), f"{by} does not speak of {proof!r}"
            if by == docs_register.FIRST_HOUR and proof == "first_hour":
                assert command in docs_register.typed()
        case docs_register.Measured():
            assert f"`{command}" in MEASUREMENTS.read_text(encoding="utf-8")
        case docs_register.Account(why=why):
            assert why


TYPED = docs_register.typed() - set(docs_register.REGISTER)
"""What only the first hour has."""
SET = re.compile(r"pulumi config set --path '(?P<path>[^']+)' (?P<value>\S+)$")


@pytest.mark.parametrize(
    "command",
    sorted({command.text for command in docs_register.commands() if SET.match(command.text)} - TYPED),
)
def test_the_values_that_pages_set_are_accepted(command: str) -> None:
    """Except those of the first hour, most of which are wrong on purpose."""
    match = SET.match(command)
    assert match
    source: dict[str, Any] = {"identifier": "orders", "credentials": {"secretId": "orders/master"}}
    keys = re.findall(r"\w+", match["path"].removeprefix("rds-encrypt:sources[0]."))
    # The CLI takes `false` and `3` for what they look like, as YAML does.
    value: Any = yaml.safe_load(match["value"])
    for key in reversed(keys):
        value = [value] if key == "0" else {key: value}

    parse({"sources": [{**source, **value}]})


AWS = [command.text for command in docs_register.commands() if command.text.startswith("aws ")]


@pytest.mark.parametrize("command", sorted(set(AWS)))
def test_the_aws_cli_has_what_the_docs_call(command: str) -> None:
    aws_cli.parsed(command, aws_client)


def aws_client(service: str) -> Any:
    make: Any = boto3.client
    return make(service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")


@pytest.mark.parametrize(("page", "block"), sorted(docs_register.statements()))
def test_statements_stand_where_a_test_reads_them(page: str, block: str) -> None:
    heading = re.findall(r"^#+ .*$", (ROOT / page).read_text(encoding="utf-8").split(block)[0], re.MULTILINE)[
        -1
    ]
    tests = [ROOT / docs_register.RUNBOOK, ROOT / "tests" / "engine" / "test_fence_accounts.py"]

    assert any(heading in test.read_text(encoding="utf-8") for test in tests), heading


def test_the_concepts_list_every_tag_of_the_journal() -> None:
    rows = _rows(CONCEPTS.read_text(encoding="utf-8"))

    assert {key.partition(":")[2] for key in KEYS} <= set(rows)


def test_the_concepts_list_every_check_as_the_registry_does() -> None:
    section = CONCEPTS.read_text(encoding="utf-8").partition("### The checks\n")[2].partition("\n## ")[0]
    listed = [line.strip("| ").split(" | ")[:3] for line in section.splitlines() if line.startswith("| `")]

    assert listed == [[f"`{check.name}`", check.scope, check.severity] for check in registry.ALL]
    assert len({check.name for check in registry.ALL}) == len(registry.ALL)


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
    """Return the anchors that GitHub makes of a page's headings."""
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
    grants = (ROOT / "rds_encrypt" / "policies" / "mysql-grants.sql").read_text(encoding="utf-8")
    called = {
        procedure
        for file in (ROOT / "rds_encrypt" / "mysql").glob("*.py")
        for procedure in re.findall(r'"(mysql\.rds_(?!configuration)\w+)"', file.read_text(encoding="utf-8"))
    }

    assert called
    assert {procedure for procedure in called if procedure not in grants} == set()


def test_no_account_of_rds_is_offered_to_be_unlocked() -> None:
    listed = re.search(
        r"AND user NOT IN \((.*?)\)", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.DOTALL
    )
    assert listed is not None
    assert set(RDS_USERS) <= set(re.findall(r"'([^']+)'", listed.group(1)))
