"""Findings as Markdown for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from rds_encrypt.check import Finding, Severity
from rds_encrypt.core.words import counted

__all__ = ["as_markdown"]


def as_markdown(blocking: Sequence[str], findings: Sequence[Finding]) -> str:
    """Return the findings, the most severe first; only notes are collapsed."""
    warnings, notes = (
        [str(finding) for finding in findings if finding.severity is severity]
        for severity in (Severity.WARNING, Severity.NOTE)
    )
    lines = [f"- \U0001f6d1 **Blocking**: {obstacle}" for obstacle in blocking]
    lines += [f"- \u26a0\ufe0f **Warning**: {warning}" for warning in warnings]
    if not lines:
        lines = ["Preflight found nothing to act on."]
    if notes:
        lines += ["", f"<details><summary>{counted(len(notes), 'note')}: good to know</summary>", ""]
        lines += [f"- {note}" for note in notes]
        lines += ["", "</details>"]
    return "\n".join([*lines, ""])
