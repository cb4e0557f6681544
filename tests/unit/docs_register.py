"""Every command in the docs, and who runs it: a test, somebody who measures, or nobody without a real account.

`test_docs.py` fails for a command that is not in here, for an entry that no page has, and for a proof that is not where an entry
says that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dev.demo.first_hour import CHAPTERS

__all__ = ["PAGES", "REGISTER", "ROOT", "Account", "Command", "Measured", "Run", "commands", "statements"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]

FIRST_HOUR = "tests/engine/test_first_hour.py"
RUNBOOK = "tests/engine/test_runbook.py"


@dataclass(frozen=True)
class Run:
    """A test runs it: this file, or one that it names, contains these words."""

    by: str
    proof: str


@dataclass(frozen=True)
class Measured:
    """It takes too long for the gate; docs/measurements.md has the result."""


@dataclass(frozen=True)
class Account:
    """It needs a real account, or something else that is not here."""

    why: str


Entry = Run | Measured | Account

_TYPED = Run(FIRST_HOUR, "first_hour")
"""Typed as it stands; `test_docs.py` checks that it is among the commands that are typed."""
_FAULTS = Run("dev/sandbox/faults.py", 'FAULTS_PATH = "/_sandbox/faults"')
"""The tests' own client sends the same requests."""
_ROLLBACK = Run("tests/engine/test_rollback.py", 'deployment.up("rollback")')
_CONFIG = Run("tests/unit/test_docs.py", "test_the_values_that_pages_set_are_accepted")

REGISTER: dict[str, Entry] = {
    # README, and the sandbox.
    "make demo": Measured(),
    "make sandbox": _TYPED,
    "make sandbox-down": _TYPED,
    'eval "$(make -s env)"': _TYPED,
    "pulumi up --skip-preview --continue-on-error --parallel 40": Run(
        "tests/engine/fleet.py", '"--skip-preview", "--continue-on-error", "--parallel"'
    ),
    "pulumi refresh": Run("tests/engine/test_procedure.py", 'deployment.outputs()["old_clients"]'),
    "pulumi stack output all_sources": Run("tests/engine/test_fleet.py", "summary(fleet)"),
    "pulumi stack select --create dev": _TYPED,
    "pulumi preview": _TYPED,
    "pulumi up": _TYPED,
    "pulumi destroy": _TYPED,
    "pulumi config set rds-encrypt:phase replicate": _TYPED,
    "pulumi config set rds-encrypt:phase cutover": _TYPED,
    "pulumi config set rds-encrypt:phase cleanup": _TYPED,
    "pulumi config set rds-encrypt:phase rollback": _ROLLBACK,
    "curl -X POST $AWS_ENDPOINT_URL/_sandbox/faults -d"
    ' \'{"kind": "throttle", "action": "ModifyDBInstance", "count": 3}\'': _FAULTS,
    "curl -X DELETE $AWS_ENDPOINT_URL/_sandbox/faults": _FAULTS,
    # A real account.
    "pulumi install": Account("the official CLI, and the AWS provider's plugin from Pulumi's site"),
    "pulumi stack init production": Run("rds_encrypt/rehearse/workspace.py", '"stack", "init"'),
    "pulumi config set aws:region eu-central-1": _CONFIG,
    "pulumi config set --path 'rds-encrypt:sources[0].identifier' orders": _TYPED,
    "pulumi config set --path 'rds-encrypt:sources[0].kmsKey' alias/databases": _TYPED,
    "pulumi config set --path 'rds-encrypt:sources[0].credentials.secretId' orders/master": _TYPED,
    # Pull requests.
    "python -m rds_encrypt.rehearse orders --config Pulumi.prod.yaml": Run(
        "dev/demo/rehearsal.py", "rds_encrypt.rehearse"
    ),
    "python -m rds_encrypt.scan --region eu-central-1": Run("tests/engine/test_preflight.py", "main("),
    "python -m rds_encrypt.scan --region eu-central-1 --details orders": Run(
        "tests/unit/test_unencrypted.py", "details"
    ),
    "python -m rds_encrypt.scan --region eu-central-1 --write Pulumi.prod.yaml --kms-key alias/databases orders": Run(
        "tests/engine/test_preflight.py", '"--write", str(file), "--kms-key"'
    ),
    "cp examples/workflows/*.yml .github/workflows/": Account("GitHub; the files are linted and tested here"),
    "python3 -m venv examples/policy-pack/venv": Account(
        "the package index; the tests put the same packages beside the tool chain"
    ),
    "examples/policy-pack/venv/bin/pip install -r examples/policy-pack/requirements.txt": Account("the same"),
    "pulumi preview --policy-pack examples/policy-pack --policy-pack-config policy.json": Run(
        "tests/engine/test_preflight.py", '"--policy-pack"'
    ),
    # The runbook.
    "rm state/.pulumi/stacks/rds-encrypt/production.json.attrs": Run(
        RUNBOOK, '"failed to load checkpoint: EOF"'
    ),
    "pulumi cancel --yes": Run("tests/engine/deployment.py", '"cancel", "--yes"'),
    "pulumi config set --path 'rds-encrypt:sources[0].cutover.hooks.before[0]' /bin/false": Run(
        "tests/engine/test_interrupted.py", '{"hooks": {"before": ["false"]}}'
    ),
    "pulumi config set --path 'rds-encrypt:sources[0].accept.maintenance-window' 'agreed with the DBAs, CHG-4711'": _CONFIG,
}


@dataclass(frozen=True)
class Command:
    """A command as a page has it, without the remark behind it."""

    page: str
    text: str


def commands() -> Iterator[Command]:
    """Yield each command of the pages' fenced blocks; two joined by `&&` come one by one; a block of `sh` is refused."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for language, block in _blocks(page):
            if language in {"sh", "bash", "shell"}:
                raise ValueError(
                    f"{name} has a block of {language}: write `console`, with `$ ` before each command"
                )
            if language == "console":
                for line in block.replace("\\\n", "").splitlines():
                    if line.startswith("$ "):
                        yield from (Command(name, part) for part in _parts(line.removeprefix("$ ")))


def statements() -> Iterator[tuple[str, str]]:
    """Yield each block of SQL with its page."""
    for page in PAGES:
        for language, block in _blocks(page):
            if language == "sql":
                yield str(page.relative_to(ROOT)), block


def typed() -> set[str]:
    """Return the commands that are typed in the first hour."""
    return {command.removesuffix(" --yes") for chapter in CHAPTERS for command in chapter.commands}


def _blocks(page: Path) -> Iterator[tuple[str, str]]:
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield match[1], match[2]


def _parts(line: str) -> Iterator[str]:
    for part in re.split(r" && ", re.sub(r"\s+# .*$", "", line)):
        text = part.strip()
        yield text.removesuffix(" --yes") if text in {"pulumi up --yes", "pulumi destroy --yes"} else text
