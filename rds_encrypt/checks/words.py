"""Findings as text: folded for a terminal, and as Markdown for a comment on a pull request."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rds_encrypt.check import Finding, Severity

__all__ = ["as_markdown", "folded"]

_WIDTH = 76
"""A terminal of 80 columns, in which the engine indents by four. On its own, a terminal breaks words."""


def folded(sentences: str, *, before: int) -> str:
    """Return the sentences in lines that fit; the first one has room for ``before`` characters in front."""
    return textwrap.fill(
        sentences,
        _WIDTH,
        initial_indent=" " * before,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    ).lstrip()


def as_markdown(blocking: Sequence[str], seen: Sequence[Finding]) -> str:
    """Return the findings, the most severe first; only notes are collapsed."""
    warnings, notes = (
        [str(finding) for finding in seen if finding.severity is severity]
        for severity in (Severity.WARNING, Severity.NOTE)
    )
    lines = [f"- \U0001f6d1 **Blocking**: {each}" for each in blocking]
    lines += [f"- \u26a0\ufe0f **Warning**: {each}" for each in warnings]
    if not lines:
        lines = ["Preflight found nothing to act on."]
    if notes:
        many = "1 note" if len(notes) == 1 else f"{len(notes)} notes"
        lines += ["", f"<details><summary>{many}: good to know</summary>", ""]
        lines += [f"- {each}" for each in notes]
        lines += ["", "</details>"]
    return "\n".join([*lines, ""])
