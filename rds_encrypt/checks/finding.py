"""A finding: severity, what, why it matters, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rds_encrypt.core.errors import PreconditionFailed

__all__ = ["Finding", "Severity", "refusal"]


class Severity(StrEnum):
    """How much a finding matters."""

    BLOCKING = "blocking"
    """The phase would fail, so the preview does."""
    WARNING = "warning"
    """You should act on it, or know it, before the cutover."""
    NOTE = "note"
    """Good to know; needs no action."""


@dataclass(frozen=True)
class Finding:
    """One finding about a source.

    Attributes:
        severity: how much it matters.
        what: what was seen, as a clause without a full stop.
        where: the instance or other resource.
        why: why that matters, as a clause.
        fix: what to do about it, as an imperative clause.
    """

    severity: Severity
    what: str
    where: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        sentences = [f"{self.where}: {self.what}", _capital(self.why), self.fix]
        return " ".join(f"{sentence}." for sentence in sentences if sentence)


def refusal(error: PreconditionFailed) -> Finding:
    """Return a failed check as a finding; it reads the same."""
    return Finding(Severity.BLOCKING, error.what, error.where, fix=error.fix)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
