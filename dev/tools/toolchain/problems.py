"""What can go wrong in set-up, each as one sentence that says what to do.

SetupProblem
├── Missing       a program or library that set-up needs is not there, or too old
└── StepFailed    a step's command failed; its log is kept
"""

from __future__ import annotations

from pathlib import Path

from toolchain.paths import shown

__all__ = ["Missing", "SetupProblem", "StepFailed"]


class SetupProblem(Exception):
    """Set-up cannot go on; the message is a whole sentence for the user."""


class Missing(SetupProblem):
    """Something has to be installed first."""


class StepFailed(SetupProblem):
    """A command failed; `tail` is the end of its output."""

    def __init__(self, sentence: str, log: Path) -> None:
        super().__init__(f"{sentence} (all of its output: {shown(log)})")
        self.tail = log.read_text(errors="replace").strip().splitlines()[-12:]
