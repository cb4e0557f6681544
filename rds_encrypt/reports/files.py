"""Reads and writes the files for people, in `build/` of the project or in the directory that RDS_ENCRYPT_REPORTS names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rds_encrypt.core.waiting import Progress, silent

__all__ = ["DIRECTORY", "Files"]

DIRECTORY = "RDS_ENCRYPT_REPORTS"
"""The environment variable that names another directory than `build`."""


def _directory() -> Path:
    # The engine starts the program and its providers in the project's directory.
    return Path(os.environ.get(DIRECTORY) or "build")


@dataclass(frozen=True)
class Files:
    """The files of one source.

    Attributes:
        identifier: the source's name, with which all file names begin.
        warn: receives a sentence about a file that could not be written, which must not fail a cutover.
        directory: where the files are.
    """

    identifier: str
    warn: Progress = silent
    directory: Path = field(default_factory=_directory)

    def path(self, suffix: str) -> Path:
        """Return the path of a file, such as ``build/orders-cutover.json``."""
        return self.directory / f"{self.identifier}-{suffix}"

    def write(self, suffix: str, text: str) -> Path | None:
        """Write a file atomically; return its path, or ``None`` if that failed."""
        path = self.path(suffix)
        fresh = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            self.warn(f"could not write {path} ({error.strerror}); the migration does not depend on it")
            return None
        return path

    def write_json(self, suffix: str, content: object) -> Path | None:
        """Write a file as JSON."""
        return self.write(suffix, json.dumps(content, indent=2) + "\n")

    def remove(self, suffix: str) -> None:
        """Remove a file if it exists."""
        try:
            self.path(suffix).unlink(missing_ok=True)
        except OSError as error:
            self.warn(
                f"could not remove {self.path(suffix)} ({error.strerror}); it is out of date: delete it"
            )

    def read_json(self, suffix: str) -> dict[str, Any] | None:
        """Return the content of a JSON file, or ``None`` if it is missing or unreadable."""
        try:
            content = json.loads(self.path(suffix).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None
