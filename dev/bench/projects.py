"""Stacks of the benchmarks: small programs, and configs with any number of sources."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dev.workload.workspace import Workspace

__all__ = ["configure", "write_project"]

_REGION = "us-east-1"


def write_project(directory: Path, name: str, program: str) -> Path:
    """Write a project of one program, to be run in the sandbox's region."""
    directory.mkdir(parents=True)
    for file, content in {
        "Pulumi.yaml": f"name: {name}\nruntime: python\n",
        "Pulumi.dev.yaml": f"config:\n  aws:region: {_REGION}\n",
        "__main__.py": program,
    }.items():
        (directory / file).write_text(content, encoding="utf-8")
    return directory


def configure(workspace: Workspace, phase: str, sources: Iterable[Mapping[str, Any]]) -> None:
    """Say in a stack's config which sources there are, and how far to go."""
    config = {"aws:region": _REGION, "rds-encrypt:phase": phase, "rds-encrypt:sources": list(sources)}
    lines = workspace.config_file.read_text(encoding="utf-8").splitlines()
    salt = [line for line in lines if line.startswith("encryptionsalt:")]
    # JSON is YAML.
    text = "\n".join([*salt, f"config: {json.dumps(config)}", ""])
    workspace.config_file.write_text(text, encoding="utf-8")
