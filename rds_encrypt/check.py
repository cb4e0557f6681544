"""The parts of a check, and its finding: severity, observation, why it matters, what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from rds_encrypt.core.errors import PreconditionFailed

__all__ = ["Check", "Finding", "Scope", "Severity", "failed", "passed", "refusal"]

Run = TypeVar("Run")


class Severity(StrEnum):
    """How much a finding matters, the most severe first."""

    BLOCKING = "blocking"
    """The phase would fail, so the preview does; or the cutover does not begin."""
    WARNING = "warning"
    """You should act on it, or know it, before the cutover."""
    NOTE = "note"
    """Good to know; needs no action."""
    PASSED = "passed"
    """As it should be. Only checks of the cutover report it."""


class Scope(StrEnum):
    """When a check runs."""

    EVERY_RUN = "every run"
    """In each preview and `up`, before all others; the config cannot accept what these find."""
    BEFORE_COPY = "before the copy"
    """In each preview and `up` until the encrypted instance exists."""
    FIRST_PREVIEW = "first preview"
    """In each preview until the encrypted instance exists; from then on the cutover's checks cover both instances."""
    PREVIEW = "preview"
    """In the previews of `FIRST_PREVIEW`, and again in those of phase `cutover`."""
    CUTOVER = "cutover"
    """Before the fence closes."""
    CLEANUP = "cleanup"
    """In the previews of phase `cleanup`, and before it stops or deletes the old instance."""


@dataclass(frozen=True)
class Check(Generic[Run]):
    """One check.

    Attributes:
        name: its name in the config, the output and the docs.
        scope: when it runs.
        severity: the most severe finding that it can report.
        run: looks, and reports what it found.
    """

    name: str
    scope: Scope
    severity: Severity
    run: Run


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        severity: how much it matters.
        what: what was seen, as a clause without a full stop.
        where: the instance or other resource.
        why: why that matters, as a clause.
        fix: what to do about it, as an imperative clause.
        safe: what is safe now, if that is not obvious.
        accepted: why the config accepts it.
    """

    severity: Severity
    what: str
    where: str = ""
    why: str = ""
    fix: str = ""
    safe: str = ""
    accepted: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is as it should be."""
        return self.severity is Severity.PASSED

    def accept(self, reason: str) -> Finding:
        """Return the finding at the next lower severity, with the reason; notes and what passed stay as they are."""
        lower = {Severity.BLOCKING: Severity.WARNING, Severity.WARNING: Severity.NOTE}
        if self.severity not in lower:
            return self
        return replace(self, severity=lower[self.severity], accepted=reason.rstrip("."))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        accepted = f"You accept this: {self.accepted}" if self.accepted else ""
        sentences = [head, _capital(self.why), self.fix, self.safe, accepted]
        return " ".join(f"{sentence}." for sentence in sentences if sentence)


def passed(what: str) -> Finding:
    """Return what a check of the cutover saw if that is as it should be."""
    return Finding(Severity.PASSED, what)


def failed(what: str) -> Finding:
    """Return what a check of the cutover saw if the fence must not close."""
    return Finding(Severity.BLOCKING, what)


def refusal(error: PreconditionFailed) -> Finding:
    """Return an error as a finding; it reads the same."""
    return Finding(Severity.BLOCKING, error.what, error.where, fix=error.fix, safe=error.safe)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
