"""Where things are: everything that set-up makes lies under `.cache/` and can be deleted at any time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = [
    "BIN",
    "CACHE",
    "LOGS",
    "MYSQL",
    "ROOT",
    "STAMPS",
    "TOOLS",
    "VENV",
    "VENV_LINK",
    "on_path",
    "shown",
]

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / "dev" / "tools"
CACHE = ROOT / ".cache"
BIN = CACHE / "bin"
VENV = CACHE / "venv"
VENV_LINK = ROOT / ".venv"
MYSQL = CACHE / "mysql"
STAMPS = CACHE / "stamps"
LOGS = CACHE / "logs"


def on_path(program: str) -> Path | None:
    """The program that the user has, not one that we put into `.cache/` (which may be on PATH as well)."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    theirs = [folder for folder in folders if folder and not Path(folder).resolve().is_relative_to(CACHE)]
    executable = shutil.which(program, path=os.pathsep.join(theirs))
    return Path(executable) if executable else None


def shown(path: Path) -> str:
    """The path as a user would type it: relative to the repository where it lies inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
