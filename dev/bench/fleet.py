"""Many sources in one stack: `python -m dev.bench.fleet --sources 1 10 50 --phases replicate cutover cleanup`.

Sources are small, so that what is measured is what the program adds to each: time, memory, and calls of AWS's API.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dev.bench import command
from dev.bench.command import BenchFailed
from dev.bench.machine import Memory, watching_memory
from dev.bench.projects import configure
from dev.bench.sources import Sources, make_sources
from dev.sandbox import Sandbox
from dev.workload.workspace import Workspace
from rds_encrypt.rehearse.workspace import CommandFailed, Result
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["Beside", "Step", "carry_out", "main", "measure", "parallel_for", "parse", "step_of"]

_OURS = "rds-encrypt"
_MINUTE = 60.0
_BUDGET = 900
"""Seconds. Nobody cuts over all of them at once on one small machine, and this is not the outage that is measured here."""
_PARALLEL_EACH = 4
"""Resource operations of one source at the same time; `--parallel` is this many times the number of sources."""


@dataclass(frozen=True)
class Step:
    """One command for all sources, measured.

    Attributes:
        calls: of AWS's API, by the program and the AWS provider.
        ours: those of them that the program made.
        peak: calls in the busiest minute.
        memory: of the CLI, the program and the providers, in MB, at the worst moment.
    """

    what: str
    sources: int
    seconds: float
    calls: int
    ours: int
    peak: int
    peak_ours: int
    memory: float
    actions: dict[str, int]


Beside = Callable[[Sandbox, Workspace, int], Iterable[Step]]
"""Something else to measure in the same sandbox: it is given our stack, and how many operations may be under way."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write the figures."""
    options = parse(arguments)

    def run(console: Console) -> int:
        steps: list[Step] = []
        try:
            for count in options.sources:
                with tempfile.TemporaryDirectory(prefix="bench-fleet-", dir=options.directory) as directory:
                    measure(Path(directory), count, options, console, steps)
        finally:
            console.print(_table(steps))
            figures = {"profile": f"fast × {options.factor:g}", "steps": [asdict(step) for step in steps]}
            command.write("bench-fleet", figures, options.engine, console)
        return 0

    return command.run(run)


def measure(
    directory: Path,
    count: int,
    options: argparse.Namespace,
    console: Console,
    steps: list[Step],
    *,
    beside: Beside | None = None,
) -> None:
    """Take this many sources through the phases; add what each command cost.

    Once the first phase is reached, ``beside`` may measure something else in the same sandbox.
    """
    with Sandbox.running(directory / "sandbox", factor=options.factor) as sandbox:
        begun = time.monotonic()
        sources = make_sources(sandbox, count, options.engine)
        console.print(f"{count} sources made in {time.monotonic() - begun:.0f} s")
        environment = {**sandbox.settings(), DIRECTORY: str(directory / "reports")}
        workspace = Workspace(directory / "workspace", environment=environment)
        workspace.create()
        fleet = _Fleet(sandbox, sources, workspace, console, options, steps)
        for phase in options.phases:
            fleet.configure(phase)
            if phase == options.phases[0]:
                fleet.run("preview", phase)
            fleet.run("up", phase)
            fleet.require_ends(phase)
            if phase == options.phases[0]:
                fleet.run("no-change", phase)
                if beside is not None:
                    steps += beside(sandbox, workspace, parallel_for(count, options))


@dataclass(frozen=True)
class _Fleet:
    """One stack with all sources."""

    sandbox: Sandbox
    sources: Sources
    workspace: Workspace
    console: Console
    options: argparse.Namespace
    steps: list[Step]

    def configure(self, phase: str) -> None:
        more = {"cutover": {"maxWriteOutage": _BUDGET}, "cleanup": {"old": "stop"}}
        configure(self.workspace, phase, [self.sources.settings(name, **more) for name in self.sources.names])

    def run(self, verb: str, phase: str) -> None:
        count = len(self.sources.names)
        before, begun = len(self.sandbox.calls()), time.monotonic()
        with watching_memory() as memory:
            result = carry_out(self.workspace, verb, parallel_for(count, self.options))
        if self.options.log:
            name = f"{count}-{phase}-{verb}.log"
            (self.options.log / name).write_text(result.output, encoding="utf-8")
        if not result.ok:
            raise CommandFailed(result)
        step = step_of(f"{verb} {phase}", count, result.seconds, self.sandbox.calls()[before:], memory)
        self.steps.append(step)
        self.console.print(
            f"{time.strftime('%H:%M:%S')}  {count} sources, {step.what}: {step.seconds:.1f} s,"
            f" {step.calls / count:.0f} calls a source ({step.ours / count:.0f} ours), at most {step.peak} a minute,"
            f" {step.memory:.0f} MB ({time.monotonic() - begun:.0f} s)",
            soft_wrap=True,
        )

    def require_ends(self, phase: str) -> None:
        """Require what the phase promises of every source, by looking at the account."""
        rds = self.sandbox.client("rds")
        pages = rds.get_paginator("describe_db_instances").paginate()
        instances = {
            instance["DBInstanceIdentifier"]: instance for page in pages for instance in page["DBInstances"]
        }
        for name in self.sources.names:
            answering = name if phase != "replicate" else f"{name}-encrypted"
            if not instances[answering]["StorageEncrypted"]:
                raise BenchFailed(f"{answering} is not encrypted after phase {phase}")
            if self.sources.rows(answering) != self.sources.rows(name):
                raise BenchFailed(f"{answering} does not hold what {name} holds after phase {phase}")
        outputs = self.workspace.outputs()
        if missing := [name for name in self.sources.names if outputs[name]["phase"] != phase]:
            raise BenchFailed(f"no outputs of phase {phase}: {', '.join(missing)}")


def parallel_for(count: int, options: argparse.Namespace) -> int:
    """Return how many resource operations the engine may have under way."""
    return int(options.parallel or max(8, _PARALLEL_EACH * count))


def carry_out(workspace: Workspace, verb: str, parallel: int) -> Result:
    """Run `pulumi preview`, `pulumi up`, or an `up` that must not change anything."""
    if verb == "preview":
        return workspace.preview("--parallel", str(parallel))
    return workspace.up(
        "--skip-preview",
        "--continue-on-error",
        "--parallel",
        str(parallel),
        expect_no_changes=verb == "no-change",
    )


def step_of(what: str, count: int, seconds: float, calls: list[dict[str, Any]], memory: Memory) -> Step:
    ours = [call for call in calls if _OURS in call["agent"]]
    actions = Counter(
        f"{'ours' if _OURS in call['agent'] else 'provider'} {call['action']}" for call in calls
    )
    return Step(
        what=what,
        sources=count,
        seconds=round(seconds, 1),
        calls=len(calls),
        ours=len(ours),
        peak=_peak(calls),
        peak_ours=_peak(ours),
        memory=round(memory.most, 0),
        actions=dict(actions.most_common()),
    )


def _peak(calls: list[dict[str, Any]]) -> int:
    """Return how many calls there were in the busiest minute."""
    moments = sorted(datetime.fromisoformat(call["time"]).timestamp() for call in calls)
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > _MINUTE:
            first += 1
        most = max(most, last - first + 1)
    return most


def _table(steps: list[Step]) -> Table:
    titles = (
        "sources",
        "command",
        "seconds",
        "s/source",
        "calls/source",
        "ours/source",
        "most a minute",
        "MB",
    )
    table = command.table(titles, {"command"})
    for step in steps:
        table.add_row(
            str(step.sources),
            step.what,
            f"{step.seconds:.1f}",
            f"{step.seconds / step.sources:.1f}",
            f"{step.calls / step.sources:.1f}",
            f"{step.ours / step.sources:.1f}",
            str(step.peak),
            f"{step.memory:.0f}",
        )
    return table


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return what was asked for, and the default of everything else."""
    parser = command.parser("dev.bench.fleet", __doc__)
    parser.add_argument("--sources", type=int, nargs="+", default=[1, 10], help="how many, one run for each")
    parser.add_argument(
        "--phases",
        nargs="+",
        choices=("replicate", "cutover", "cleanup"),
        default=["replicate", "cutover", "cleanup"],
        help="how far",
    )
    parser.add_argument("--factor", type=float, default=1.0, help="stretches the sandbox's fast profile")
    parser.add_argument(
        "--parallel", type=int, help="resource operations at once (default: 4 for each source)"
    )
    parser.add_argument(
        "--directory", type=Path, help="holds the sandboxes (default: the system's temporary one)"
    )
    parser.add_argument("--log", type=Path, help="keep what the CLI printed there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
