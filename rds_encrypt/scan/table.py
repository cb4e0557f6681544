"""Renders the list as text: a line for each instance, and its findings below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rds_encrypt.check import Severity
from rds_encrypt.core.words import counted, folded
from rds_encrypt.scan.candidates import Candidate

__all__ = ["rendered"]

_WIDTH = 100
_HEAD = ("instance", "version", "class", "storage", "findings")


def rendered(candidates: Sequence[Candidate], region: str, *, details: bool) -> str:
    """Return the table, with blocking findings in full, and with ``details`` all others too."""
    if not candidates:
        return f"No unencrypted RDS for MySQL instance in {region}.\n"
    rows = [_HEAD, *(_row(candidate) for candidate in candidates)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [f"{len(candidates)} unencrypted RDS for MySQL instance(s) in {region}", ""]
    lines.append(_line(_HEAD, widths))
    for candidate, row in zip(candidates, rows[1:], strict=True):
        lines.append(_line(row, widths))
        lines += _findings(candidate, details=details)
    return "\n".join([*lines, ""])


def _row(candidate: Candidate) -> tuple[str, ...]:
    described = candidate.instance.description
    counts = [(len(candidate.of(severity)), severity) for severity in Severity]
    summary = ", ".join(
        f"{count} {severity}" if severity is Severity.BLOCKING else counted(count, severity)
        for count, severity in counts
        if count
    )
    return (
        candidate.identifier,
        str(described["EngineVersion"]),
        str(described["DBInstanceClass"]),
        f"{candidate.instance.allocated_gib} GiB",
        summary or "none",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _findings(candidate: Candidate, *, details: bool) -> Iterator[str]:
    for finding in candidate.findings:
        if details or finding.severity is Severity.BLOCKING:
            text = f"{finding.severity}: {finding}"
            yield from folded(text, "  - ", "    ", _WIDTH)
