"""Where the files lie that are written for people: `build/` of the project, or what RDS_ENCRYPT_REPORTS names."""

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
        identifier: the source's name, with which all of them begin.
        warn: is told of a file that could not be written; nothing else happens then, since a cutover must not fail for it.
        directory: where they lie.
    """

    identifier: str
    warn: Progress = silent
    directory: Path = field(default_factory=_directory)

    def path(self, suffix: str) -> Path:
        """Return the path of one, such as ``build/orders-cutover.json``."""
        return self.directory / f"{self.identifier}-{suffix}"

    def write(self, suffix: str, text: str) -> Path | None:
        """Write one whole, so that nobody ever reads half of it; return its path, or ``None`` if that was not possible."""
        path = self.path(suffix)
        fresh = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            self.warn(f"{path} could not be written ({error.strerror}); nothing depends on it")
            return None
        return path

    def write_json(self, suffix: str, content: object) -> Path | None:
        """Write one as JSON."""
        return self.write(suffix, json.dumps(content, indent=2) + "\n")

    def remove(self, suffix: str) -> None:
        """Remove one, if it is there."""
        try:
            self.path(suffix).unlink(missing_ok=True)
        except OSError as error:
            self.warn(f"{self.path(suffix)} could not be removed ({error.strerror}), and is out of date")

    def read_json(self, suffix: str) -> dict[str, Any] | None:
        """Return what a JSON file holds, or ``None`` if there is none that can be read."""
        try:
            found = json.loads(self.path(suffix).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None
