"""What Pulumi itself takes: a plain stack with as many resources of each kind as ours has, in the same sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dev.bench.fleet import Step, carry_out, step_of
from dev.bench.machine import watching_memory
from dev.bench.plain import Size
from dev.sandbox import Sandbox
from dev.workload.workspace import ROOT, CommandFailed, Workspace

__all__ = ["PLAIN", "measure_plain", "size_of"]

PLAIN = "plain"
"""What stands behind the verb in the name of the plain stack's steps."""
_PROJECT = "name: plain\nruntime: python\n"
_CONFIG = "config:\n  aws:region: us-east-1\n"
_PROGRAM = "from dev.bench.plain import Size, declare\n\ndeclare({size!r})\n"
_ROOM = 20
"""Parameter groups that exist already: those of the sources, and ours."""


def measure_plain(directory: Path, sandbox: Sandbox, ours: Workspace, parallel: int) -> list[Step]:
    """Preview as many resources as our stack has, make them, and leave them alone.

    Raises:
        CommandFailed: one of the commands did not succeed.
    """
    size = size_of(ours.resources())
    environment = {**sandbox.settings(), "PYTHONPATH": str(ROOT)}
    project = _write_project(directory / "project", size)
    workspace = Workspace(directory / "stack", environment=environment, project=project)
    workspace.create()
    sandbox.faults.quota("DBParameterGroups", 3 * size.aws + _ROOM)
    steps = []
    for verb in ("preview", "up", "no-change"):
        before = len(sandbox.calls())
        with watching_memory() as memory:
            result = carry_out(workspace, verb, parallel)
        if not result.ok:
            raise CommandFailed(result)
        calls = sandbox.calls()[before:]
        steps.append(step_of(f"{verb} {PLAIN}", size.components, result.seconds, calls, memory))
    return steps


def size_of(resources: Iterable[Mapping[str, Any]]) -> Size:
    """Count the resources of a state, without the stack itself and its providers."""
    kinds = Counter(_kind(resource["type"]) for resource in resources)
    return Size(kinds["component"], kinds["aws"], kinds["dynamic"])


def _kind(kind: str) -> str:
    if kind.startswith(("pulumi:pulumi:", "pulumi:providers:")):
        return "engine"
    if kind.startswith("pulumi-python:dynamic"):
        return "dynamic"
    return "aws" if kind.startswith("aws:") else "component"


def _write_project(directory: Path, size: Size) -> Path:
    directory.mkdir(parents=True)
    for name, content in {
        "Pulumi.yaml": _PROJECT,
        "Pulumi.dev.yaml": _CONFIG,
        "__main__.py": _PROGRAM.format(size=size),
    }.items():
        (directory / name).write_text(content, encoding="utf-8")
    return directory
