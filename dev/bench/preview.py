"""How long a preview takes, preflight and plan included: `python -m dev.bench.preview --sources 1 10 --runs 5`.

The real engine previews phase `replicate` of sources that nothing exists of yet, which is when most is looked at. The floor is a
preview of a program that declares nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dev.bench.screen import screen
from dev.sandbox import Sandbox
from dev.sandbox.seed import Seeded, seed
from dev.workload.workspace import ROOT, CommandFailed, Workspace
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["main"]

_ROWS = 2_000
_PROJECT = "name: nothing\nruntime: python\n"
_PROGRAM = "import pulumi\n"


@dataclass(frozen=True)
class Preview:
    """One preview, measured; ``cpu`` is the processor time of the CLI, the program and the plugins."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Figure:
    """Several previews of the same."""

    what: str
    sources: int
    previews: tuple[Preview, ...]

    @property
    def best(self) -> float:
        """The shortest, in seconds."""
        return min(each.seconds for each in self.previews)

    @property
    def median(self) -> float:
        """The middle one, in seconds."""
        return statistics.median(each.seconds for each in self.previews)

    def summary(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**asdict(self), "best": round(self.best, 2), "median": round(self.median, 2)}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="dev.bench.preview", description=__doc__)
    parser.add_argument(
        "--sources", type=int, nargs="+", default=[1, 10], help="how many, one figure for each"
    )
    parser.add_argument("--runs", type=int, default=5, help="previews for each figure")
    parser.add_argument("--engine", choices=("8.0", "5.7", "9.7"), default="8.0")
    options = parser.parse_args(arguments)
    console = screen()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-preview-") as directory:
            figures = _measure(Path(directory), options, console)
    except CommandFailed as error:
        console.print(f"{error}\n{error.result.output}", style="red")
        return 1
    console.print(_table(figures))
    _write(figures, options.engine, console)
    return 0


def _measure(directory: Path, options: argparse.Namespace, console: Console) -> list[Figure]:
    with Sandbox.running(directory / "sandbox") as sandbox:
        seeded = []
        for number in range(max(options.sources)):
            console.print(f"seeding source {number + 1} of {max(options.sources)} …")
            seeded.append(seed(sandbox, engine=options.engine, rows=_ROWS, identifier=f"orders-{number + 1}"))
        environment = {
            **sandbox.settings(),
            DIRECTORY: str(directory / "reports"),
            # As on anybody's machine, Python keeps what it has compiled; not in the checkout.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
        }
        empty = Workspace(directory / "empty", environment=environment, project=_empty_project(directory))
        empty.create()
        figures = [_timed("a program that declares nothing", 0, empty, options.runs)]
        workspace = Workspace(directory / "workspace", environment=environment)
        workspace.create()
        for count in options.sources:
            _configure(workspace, seeded[:count])
            what = f"{count} source{'s' if count > 1 else ''}"
            figures.append(_timed(what, count, workspace, options.runs))
            console.print(f"{what}: {figures[-1].median:.2f} s")
    return figures


def _empty_project(directory: Path) -> Path:
    project = directory / "nothing"
    project.mkdir()
    for name, content in {
        "Pulumi.yaml": _PROJECT,
        "Pulumi.dev.yaml": "",
        "__main__.py": _PROGRAM,
    }.items():
        (project / name).write_text(content, encoding="utf-8")
    return project


def _configure(workspace: Workspace, sources: list[Seeded]) -> None:
    salt = [
        line
        for line in workspace.config_file.read_text(encoding="utf-8").splitlines()
        if line.startswith("encryptionsalt:")
    ]
    config = {
        "aws:region": "us-east-1",
        "rds-encrypt:phase": "replicate",
        "rds-encrypt:sources": [
            {
                "identifier": each.identifier,
                "kmsKey": f"alias/{each.identifier}",
                "caFile": str(each.ca_bundle.resolve()),
                "credentials": {"secretId": each.master_secret},
            }
            for each in sources
        ],
    }
    # JSON is YAML.
    workspace.config_file.write_text(
        "\n".join([*salt, f"config: {json.dumps(config)}", ""]), encoding="utf-8"
    )


def _timed(what: str, sources: int, workspace: Workspace, runs: int) -> Figure:
    """Preview once to warm up, and then as often as wanted."""
    found = []
    for _ in range(runs + 1):
        before = _cpu_of_children()
        result = workspace.preview()
        if not result.ok:
            raise CommandFailed(result)
        found.append(Preview(result.seconds, _cpu_of_children() - before))
    return Figure(what, sources, tuple(found[1:]))


def _cpu_of_children() -> float:
    """Return the processor time of the commands that have ended, and of what they waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _table(figures: list[Figure]) -> Table:
    table = Table(title="pulumi preview, phase `replicate`")
    table.add_column("of")
    for name in ("best s", "median s", "CPU s", "runs"):
        table.add_column(name, justify="right")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.best:.2f}",
            f"{figure.median:.2f}",
            f"{statistics.median(each.cpu for each in figure.previews):.2f}",
            str(len(figure.previews)),
        )
    return table


def _write(figures: list[Figure], engine: str, console: Console) -> None:
    file = ROOT / "build" / "bench-preview.json"
    file.parent.mkdir(exist_ok=True)
    content = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "engine": engine,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, shared with the sandbox",
        "figures": [figure.summary() for figure in figures],
    }
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(f"Written to {file.relative_to(ROOT)}.")


if __name__ == "__main__":
    sys.exit(main())
