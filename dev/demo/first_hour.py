"""The first hour of somebody who has only the README, typed and written down: `python -m dev.demo.first_hour`.

It sets up a stack against `make sandbox`, breaks its config in many ways, and drives it to the end. What the shell answered
becomes docs/first-hour.md; `--check` says instead whether the page still tells the truth.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.demo.shell import Shell, Typed, copied, opened
from dev.workload.workspace import ROOT

__all__ = ["CHAPTERS", "LOG", "PAGE", "Chapter", "differences", "main", "rendered", "told"]

PAGE = ROOT / "docs" / "first-hour.md"
_COUNTED = re.compile(r"[+~=-] \d+ to ")
LOG = ROOT / "build" / "first-hour.log"

_INTRODUCTION = """\
# The first hour

You have a clone of this repository, [the README](../README.md), and no AWS account. Every command on this page was typed into a
shell in a fresh copy of the repository, with an empty home directory, by `python -m dev.demo.first_hour`, which also wrote the
page (`make docs-first-hour`). A test types them again and requires the same commands, errors and numbers of changes.

Left out of Pulumi's output are only the rows of its table, blank lines, the stack's outputs, two sentences with which
the engine and the language host end every failure (`Resource monitor has terminated…`, `an unhandled error occurred…`),
and, where they were shown before, the notes of the preview and its plan. `--yes` stands in for a person who reads the
preview and answers *yes*.
"""


@dataclass(frozen=True)
class Chapter:
    """A heading, what is to be said, and what is typed."""

    title: str
    words: str
    commands: tuple[str, ...]
    level: int = 2
    whole: bool = False
    """Whether plan and notes are shown; they are the same in each preview of a phase."""


def _broken(title: str, words: str, breaking: str, mending: str, *, env: Sequence[str] = ()) -> Chapter:
    return Chapter(title, words, (breaking, *env, "pulumi preview", mending), level=3)


_KEY = "rds-encrypt:sources[0]"
_SET = "pulumi config set --path"

CHAPTERS = (
    Chapter(
        "Set up",
        "The first `make` fetches the tool chain into `.cache/`: 276 seconds on [the machine of our\n"
        "measurements](measurements.md). Here it was in place already.",
        ("make sandbox", 'eval "$(make -s env)"', "pulumi stack select --create dev"),
    ),
    Chapter(
        "The first preview",
        "`Pulumi.dev.yaml` is a config that fits the sandbox. (Pulumi has just written the stack's `encryptionsalt` into it:\n"
        "`git restore Pulumi.dev.yaml` when the sandbox is gone.) The preview only reads. It shows warnings, then the plan:",
        ("pulumi preview",),
        whole=True,
    ),
    Chapter(
        "Break it",
        "Ten common mistakes, each with the output and the command that corrects it. They change nothing but the config.\n"
        "Pulumi itself reports two more before the program runs: no `sources` at all (*is missing configuration value\n"
        "'sources'*), and one that is not a list of objects (*must be of type 'array<object>'*). [The\n"
        "configuration](configuration.md) shows the format.",
        (),
    ),
    _broken(
        "A wrong identifier",
        "",
        f"{_SET} '{_KEY}.identifier' order",
        f"{_SET} '{_KEY}.identifier' orders",
    ),
    _broken(
        "A key of KMS that does not exist",
        "",
        f"{_SET} '{_KEY}.kmsKey' alias/databases",
        f"{_SET} '{_KEY}.kmsKey' alias/orders",
    ),
    _broken(
        "A misspelt key",
        "",
        f"{_SET} '{_KEY}.binlogRetentionHour' 96",
        f"pulumi config rm --path '{_KEY}.binlogRetentionHour'",
    ),
    _broken(
        "A path without `--path`",
        "Pulumi takes the brackets for a part of the name then, and says nothing. The program does.",
        f"pulumi config set '{_KEY}.kmsKey' alias/orders",
        f"pulumi config rm '{_KEY}.kmsKey'",
    ),
    _broken(
        "Retention that is too short",
        "",
        f"{_SET} '{_KEY}.binlogRetentionHours' 0",
        f"pulumi config rm --path '{_KEY}.binlogRetentionHours'",
    ),
    _broken(
        "A strategy without what it needs",
        "",
        f"{_SET} '{_KEY}.cutover.strategy' dns",
        f"pulumi config rm --path '{_KEY}.cutover'",
    ),
    _broken(
        "A secret that does not exist",
        "",
        f"{_SET} '{_KEY}.credentials.secretId' orders/nobody",
        f"{_SET} '{_KEY}.credentials.secretId' orders/master",
    ),
    Chapter(
        "A password that is missing, then wrong",
        "",
        (
            f"pulumi config rm --path '{_KEY}.credentials.secretId'",
            f"{_SET} '{_KEY}.credentials.environment' ORDERS_PASSWORD",
            "pulumi preview",
            "export ORDERS_PASSWORD=guessed",
            "pulumi preview",
            f"pulumi config rm --path '{_KEY}.credentials.environment'",
            f"{_SET} '{_KEY}.credentials.secretId' orders/master",
        ),
        level=3,
    ),
    _broken(
        "A phase that does not exist",
        "",
        "pulumi config set rds-encrypt:phase switchover",
        "pulumi config set rds-encrypt:phase replicate",
    ),
    _broken(
        "A phase too early",
        "",
        "pulumi config set rds-encrypt:phase cutover",
        "pulumi config set rds-encrypt:phase replicate",
    ),
    Chapter(
        "Drive it",
        "Three phases, each a preview and an `up`. In another terminal the database could be written to all the time, as\n"
        "`make demo` does.",
        ("pulumi up --yes",),
    ),
    Chapter(
        "The cutover",
        "The preview asks the checks; `up` shows when each move was.",
        ("pulumi config set rds-encrypt:phase cutover", "pulumi up --yes"),
        level=3,
        whole=True,
    ),
    Chapter(
        "Cleaning up",
        "",
        ("pulumi config set rds-encrypt:phase cleanup", "pulumi up --yes"),
        level=3,
    ),
    Chapter(
        "The end",
        "In phase `cleanup`, `destroy` only forgets: `orders` stays as it is. Then the sandbox goes.",
        ("pulumi destroy --yes", "make sandbox-down"),
        level=3,
    ),
)

# Rows of the CLI's table, and its dots while it waits.
_ROW = re.compile(r"^ ([+~\-]|[+\-]{2}| ) +[\w-]+:[\w/-]+:[\w-]+ |^@ ")
_HEADER = re.compile(r"^  \S+ \(\S+\):$")
_BLOCKS = {"Outputs:", "Diagnostics:", "Resources:"}
_ENGINES_OWN = (
    "error: Resource monitor has terminated",
    "error: an unhandled error occurred",
    "error: preview failed",
    "error: update failed",
)


def told(shell: Shell, chapters: Sequence[Chapter] = CHAPTERS) -> Iterator[tuple[Chapter, list[Typed]]]:
    """Type the commands of each chapter."""
    for chapter in chapters:
        yield chapter, [shell.type(command) for command in chapter.commands]


def rendered(story: Sequence[tuple[Chapter, list[Typed]]], project: Path) -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for chapter, typed in story:
        parts.append(f"{'#' * chapter.level} {chapter.title}\n")
        if chapter.words:
            parts.append(f"{chapter.words}\n")
        if typed:
            shown = [_shown(entry, whole=chapter.whole).replace(str(project), "…") for entry in typed]
            parts.append("\n".join(["```console", *shown, "```", ""]))
    return "\n".join(parts)


def differences(page: str, project_page: str) -> list[str]:
    """Return where two pages are not the same in what was typed and in what was wrong."""
    here, there = _essence(page), _essence(project_page)
    return [line[2:] for line in difflib.ndiff(here, there) if line.startswith(("- ", "+ "))]


def main(arguments: list[str] | None = None) -> int:
    """Type everything; write the page, or say whether it is still true."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.demo.first_hour", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="compare with the page instead of writing it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="first-hour-") as scratch:
        project = copied(Path(scratch) / "rds-encrypt")
        with opened(project, Path(scratch) / "home") as shell:
            try:
                story = list(told(shell))
            finally:
                shell.type("make sandbox-down")
    page = rendered(story, project)
    _log(story)
    if not options.check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    changed_lines = differences(page, PAGE.read_text(encoding="utf-8"))
    print("\n".join(changed_lines) or "The page is true.")
    return int(bool(changed_lines))


def _log(story: Sequence[tuple[Chapter, list[Typed]]]) -> None:
    """Keep the whole output, as the demo does."""
    LOG.parent.mkdir(exist_ok=True)
    parts = [f"$ {entry.command}\n{entry.output}\n" for _, typed in story for entry in typed]
    LOG.write_text("\n".join(parts), encoding="utf-8")


def _shown(typed: Typed, *, whole: bool) -> str:
    lines = [f"$ {typed.command}", *_trimmed(typed.output, whole=whole)]
    return "\n".join(line.rstrip() for line in lines)


def _trimmed(output: str, *, whole: bool) -> list[str]:
    """Leave out what the introduction says is left out, and headers that nothing is left below."""
    kept: list[str] = []
    block, speaking = "", True
    for line in output.splitlines():
        if line in _BLOCKS:
            block, speaking = line, True
        elif line and not line.startswith((" ", "@")):
            block, speaking = "", True
        text = line.strip()
        if (
            block == "Outputs:"
            or not text
            or text.startswith(_ENGINES_OWN)
            or (not block and _ROW.match(line))
        ):
            continue
        if block == "Diagnostics:" and not whole and line not in _BLOCKS:
            speaking = bool(_HEADER.match(line)) or _speaks(text, speaking=speaking)
            if not speaking:
                continue
        kept.append(line)
    return _without_empty(kept)


def _without_empty(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines):
        nothing_below = not kept or not kept[-1].startswith("    ")
        if _HEADER.match(line) and nothing_below:
            continue
        if line == "Diagnostics:" and not (kept and _HEADER.match(kept[-1])):
            continue
        kept.append(line)
    return kept[::-1]


def _speaks(text: str, *, speaking: bool) -> bool:
    """Whether a line of diagnostics belongs to an error or an outcome; what follows such a line belongs to it."""
    if text.startswith(("error:", "Cutover of", "Rollback of")):
        return True
    if text.startswith(("warning:", "Good to know", "Plan for")):
        return False
    return speaking


def _essence(page: str) -> list[str]:
    """Return the commands, errors and numbers of changes of a page, without what differs from run to run."""
    lines = [line.strip() for line in page.splitlines()]
    kept = [line for line in lines if line.startswith(("$ ", "error:")) or _COUNTED.match(line)]
    return [re.sub(r"127\.\d+\.\d+\.\d+|db-[A-Z0-9]+|_ssl\.c:\d+", "…", line) for line in kept]


if __name__ == "__main__":
    sys.exit(main())
