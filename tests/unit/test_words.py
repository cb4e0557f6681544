"""Words that the project has given up: none may come back in code, docs, or what users read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = {
    r"winn(ing|er)s?|loser": "candidate, primary",
    r"custody": "DeletionGuard",
    r"cut-over\w*|cut_over_course": "cutover (noun), cut over (verb)",
    r"hand-over|handover": "ownership transfer",
    r"likeness|alike": "settings diff, match",
    r"leftovers?": "temporary resources",
    r"stand-?still|stand_still|(stands?|stood) still|at rest": "stopped at the same coordinates",
    r"headway": "progress, throughput",
    r"companion": "supervised process",
    r"surroundings": "inventory",
    r"outlooks?": "existing",
    r"NeedsHuman|needs a human": "ActionRequired, action required",
    r"lanes?": "worker",
    r"way back|way_back(?!_open)": "rollback path, reverse replication",
    r"papers": "reports",
    r"roads?": "procedure",
}
ENGLISH = {
    r"anew": "again",
    r"for ever": "forever, until …",
    r"whoever": "who it is",
    r"is to be minded": "warning",
}
"""Phrases that do not belong in the program or its pages."""
EXEMPT = (
    "dev/tools/pulumi",  # lock files of other projects
    "docs/pictures/",
    "docs/terminal/",
    "tests/unit/test_words.py",
)
ALLOWED = (
    "ncryption at rest",  # AWS's own words
    '"leftovers"',  # keys of JSON files that scripts read
    '"losing"',
    '"winning"',
)


def files(*, program: bool = False) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    kinds = {".py", ".md", ".j2", ".yaml", ".yml", ".toml", ".sql", ".json", ""}
    return [
        ROOT / path
        for path in listed
        if Path(path).suffix in kinds
        and not path.startswith(EXEMPT)
        and (ROOT / path).is_file()
        and not (program and path.startswith(("dev/", "tests/")))
    ]


def occurrences(word: str, paths: list[Path]) -> list[str]:
    pattern = re.compile(rf"(?<![A-Za-z-])(?:{word})(?![A-Za-z-])", re.IGNORECASE)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:110]}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line) and not any(phrase in line for phrase in ALLOWED)
    ]


@pytest.mark.parametrize(("word", "instead"), WORDS.items())
def test_a_retired_word_does_not_come_back(word: str, instead: str) -> None:
    lines = occurrences(word, files())
    assert not lines, f"say {instead}:\n" + "\n".join(lines)


@pytest.mark.parametrize(("phrase", "instead"), ENGLISH.items())
def test_the_program_and_its_pages_read_like_english(phrase: str, instead: str) -> None:
    lines = occurrences(phrase, files(program=True))
    assert not lines, f"say {instead}:\n" + "\n".join(lines)
