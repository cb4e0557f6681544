"""What Pulumi itself takes: a plain stack with as many resources of each kind as ours has; and what the fleet's steps come to beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

from dev.bench.fleet import Step, carry_out, step_of
from dev.bench.lines import Line, at_most
from dev.bench.machine import watching_memory
from dev.bench.plain import Size
from dev.bench.projects import write_project
from dev.sandbox import Sandbox
from dev.workload.workspace import ROOT, Workspace
from rds_encrypt.rehearse.workspace import CommandFailed

__all__ = ["ALL", "PLAIN", "call_lines", "measure_plain", "of_sources", "size_of", "stack_lines"]

PLAIN = "plain"
"""What follows the verb in the names of the plain stack's steps."""
_PROGRAM = "from dev.bench.plain import Size, declare\n\ndeclare({size!r})\n"
_ROOM = 20
"""Parameter groups that exist already: those of the sources, and ours."""
ALL = ("replicate", "cutover", "cleanup")
_FIRST = ALL[0]
_PEER = "as many plain resources"


def measure_plain(directory: Path, sandbox: Sandbox, ours: Workspace, parallel: int) -> list[Step]:
    """Preview as many resources as our stack has, make them, and leave them alone.

    Raises:
        CommandFailed: one of the commands did not succeed.
    """
    size = size_of(ours.resources())
    environment = {**sandbox.settings(), "PYTHONPATH": str(ROOT)}
    project = write_project(directory / "project", PLAIN, _PROGRAM.format(size=size))
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


def stack_lines(steps: Sequence[Step]) -> Iterator[Line]:
    """Return times and memory beside those of plain resources, and how they grow with the number of sources."""
    by_command = {(step.sources, step.what): step for step in steps}
    counts = _counts(steps)
    for count in counts:
        for verb, name in (
            ("preview", "preview of all that is to be made"),
            ("no-change", "`up` without a change"),
        ):
            ours, plain = by_command[count, f"{verb} {_FIRST}"], by_command[count, f"{verb} {PLAIN}"]
            yield Line(f"{name}, {of_sources(count)}", ours.seconds, "s", plain.seconds, _PEER)
        ours, plain = by_command[count, f"up {_FIRST}"], by_command[count, f"up {PLAIN}"]
        yield Line(f"memory of `up`, {of_sources(count)}", ours.memory, "MB", plain.memory, _PEER)
    for few, many in pairwise(counts):

        def growth(what: str, of: Callable[[Step], float], few: int = few, many: int = many) -> float:
            return (of(by_command[many, what]) - of(by_command[few, what])) / (many - few)

        for verb, name, unit, of in (
            ("no-change", "`up` without a change", "s", attrgetter("seconds")),
            ("up", "`up` in `replicate`", "s", attrgetter("seconds")),
            ("up", "memory", "MB", attrgetter("memory")),
        ):
            ours_, plain_ = growth(f"{verb} {_FIRST}", of), growth(f"{verb} {PLAIN}", of)
            yield Line(f"{name}, for each source from {few} to {many}", ours_, unit, plain_, _PEER)


def call_lines(steps: Sequence[Step]) -> Iterator[Line]:
    """Return our own calls; those of the AWS provider go by its clock, and are counted where that is AWS's (`in-sync`)."""
    ups = [step for step in steps if step.what in {f"up {phase}" for phase in ALL}]
    all_the_way = [count for count in _counts(ups) if len(_at(ups, count)) == len(ALL)]
    first = [step for step in ups if step.what == f"up {_FIRST}"]
    yield from _calls("our AWS calls for a source, all phases", ups, all_the_way)
    yield from _calls(f"our AWS calls for a source, `{_FIRST}`", first, _counts(first))
    for count in _counts(ups):
        peak = max(step.peak_ours for step in _at(ups, count))
        yield Line(f"our AWS calls in the busiest minute, nothing to wait for, {of_sources(count)}", peak, "")


def _calls(name: str, steps: Sequence[Step], counts: Sequence[int]) -> Iterator[Line]:
    """Return the calls for each source; they should not rise with the number of sources."""
    fewest: float | None = None
    for count in counts:
        per_source = sum(step.ours for step in _at(steps, count)) / count
        if fewest is None:
            fewest = per_source
            yield Line(f"{name}, {of_sources(count)}", per_source, "")
        else:
            yield Line(
                f"{name}, {of_sources(count)}",
                per_source,
                "",
                fewest,
                f"with {of_sources(counts[0])}",
                at_most(1.0),
            )


def _at(steps: Sequence[Step], count: int) -> list[Step]:
    return [step for step in steps if step.sources == count]


def _counts(steps: Sequence[Step]) -> list[int]:
    return sorted({step.sources for step in steps})


def of_sources(count: int) -> str:
    return f"{count} source{'s' if count > 1 else ''}"
