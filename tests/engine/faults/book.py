"""Faults by name: how each is provoked, and the page that quotes what the program says then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rds_encrypt.core.errors import MigrationError
from tests.engine.faults.stage import Stage

__all__ = ["BOOK", "PAGE", "SECTIONS", "Fault", "fault", "quoted", "rendered", "shown"]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "errors.md"

SECTIONS = {
    "AWS": "AWS does not do what it is asked for, or cannot be asked.",
    "Instances": "An instance is in a state that it does not leave by itself, or not what it should be.",
    "Keys, secrets and certificates": "What a migration is given to work with.",
    "A bastion or Systems Manager": "The way to the databases, with `connection.via` set to `ssh` or `ssm`.",
    "MySQL": "A session with one of the servers.",
    "Checks": "A cutover asks [them all](concepts.md#the-checks) before it touches anything; nothing has happened then.",
    "Replication": "The encrypted instance does not follow the source.",
}

_INTRODUCTION = """# Errors

What the program says when something breaks: what happened and where, what to do, what is safe now. Each of these was
provoked in the [sandbox](sandbox.md) by a test (`tests/engine/faults`), which requires these very sentences; `make
docs-errors` provokes them all and writes this page. `…` stands for what differs from case to case.

| kind | means |
| --- | --- |
| retry | the world was not ready, or a call was lost: run the same command again (after `pulumi cancel`, if a killed run has left the stack locked) |
| action required | running it again changes nothing until you act |
| outcome unknown | the connection died in the middle: run it again, it looks before it acts |

Errors of the AWS provider, which makes replica, snapshot, copy and encrypted instance, are AWS's own sentences. `pulumi destroy` ends the
migrations of all sources in the stack; [for one of several](runbook.md#many-sources-in-one-stack), remove its entry from `sources` instead.
"""

# What differs from case to case.
_PLACES: tuple[tuple[str, str], ...] = (
    # The words of the tests' bastion for what OpenSSH's server calls this.
    (r"\[Errno \d+\] Connect call failed \('[\d.]+', \d+\)", "Connection refused"),
    (r"\bhost 127\.\d+\.\d+\.\d+ port \d+", "host … port …"),
    (r"\b127\.\d+\.\d+\.\d+(:\d+)?", "…"),
    (r"\bdb-[A-Z0-9]{6,}", "db-…"),
    (r"\bsg-[0-9a-f]+", "sg-…"),
    (r"mysql-bin-changelog\.\d+(:\d+)?", "…"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "…"),
    (r"http://…[/\w]*", "…"),
    (r"\bwaited \d+ s", "waited … s"),
    (r"(/[\w.-]+){3,}", "…"),
    (r"\b\d{4,}\b(?=[,;]? (?:end_log_pos|at|position|retries))", "…"),
    (r"(end_log_pos|position|attempt|retries:?|retry-time:?) \d+", r"\1 …"),
    (r"\bWorker \d+", "Worker …"),
    (r"(_ssl\.c:)\d+", r"\1…"),
    (r"\b\d+ \(\d+ s\)", "… (… s)"),
    (r"\b[\d.]+ (s|min|h) ago", "… ago"),
    (r"hosted zone [A-Z0-9]{10,}", "hosted zone …"),
)


@dataclass(frozen=True)
class Fault:
    """One thing that breaks: a title, where it belongs, how it comes about, and what provokes it."""

    title: str
    section: str
    how: str
    provoke: Callable[[Stage], object]


BOOK: list[Fault] = []
"""All faults, in the order in which they are provoked: those that leave traces come last."""


def fault(
    title: str, section: str, how: str
) -> Callable[[Callable[[Stage], object]], Callable[[Stage], object]]:
    """Enter a function into the book; it must end with an error of ours."""
    assert section in SECTIONS, section

    def enter(provoke: Callable[[Stage], object]) -> Callable[[Stage], object]:
        BOOK.append(Fault(title, section, how, provoke))
        return provoke

    return enter


def shown(error: MigrationError) -> str:
    """Return the error's text, without what differs from case to case."""
    text = str(error)
    for pattern, instead in _PLACES:
        text = re.sub(pattern, instead, text)
    return text


def quoted(page: str) -> dict[str, tuple[str, str]]:
    """Return the kind and the sentence of each title of the page."""
    entries = re.findall(r"^### (.+)\n\n.+\n\n\*\*(.+)\*\*\n\n> (.+)$", page, re.MULTILINE)
    return {title: (kind, sentence) for title, kind, sentence in entries}


def rendered(book: Iterable[Fault], quotes: Mapping[str, tuple[str, str]]) -> str:
    """Write the page."""
    book = list(book)
    parts = [_INTRODUCTION]
    for section, about in SECTIONS.items():
        parts.append(f"## {section}\n\n{about}\n")
        for entry in book:
            if entry.section == section:
                kind, sentence = quotes[entry.title]
                parts.append(f"### {entry.title}\n\n{entry.how}\n\n**{kind}**\n\n> {sentence}\n")
    return "\n".join(parts)
