"""Copies of data directories."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from dev.sandbox.mysql.errors import MySQLServerError

__all__ = ["copy_tree", "forget_identity"]


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory, sharing blocks where the file system can; the copy appears whole or not at all."""
    if target.exists():
        raise MySQLServerError(f"{target} exists already: a copy is never written over another.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = ["cp", "--archive", "--reflink=auto", "--sparse=always", str(source), str(partial)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise MySQLServerError(f"The copy of {source} failed: {result.stderr.strip()}.")
    forget_identity(partial)
    partial.rename(target)


def forget_identity(data: Path) -> None:
    """Let the next start of a data directory choose a server_uuid of its own."""
    (data / "auto.cnf").unlink(missing_ok=True)
