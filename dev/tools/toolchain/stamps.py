"""What a finished step leaves behind, so that the next run knows that it is done.

A stamp is written last. A step that was interrupted has none and runs again; each builds under a temporary name, or
with a tool that resumes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from toolchain.paths import STAMPS

__all__ = ["clear", "digest", "read", "write"]


def read(step: str) -> str | None:
    """What the step wrote when it finished."""
    path = STAMPS / step
    return path.read_text() if path.exists() else None


def write(step: str, text: str) -> None:
    """Record that the step is done."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / step).write_text(text)


def clear(step: str) -> None:
    """Forget that the step was done."""
    (STAMPS / step).unlink(missing_ok=True)


def digest(*paths: Path) -> str:
    """One fingerprint for the contents of several files."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:16]
