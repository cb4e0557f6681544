"""How long a preview takes, preflight and plan included: `python -m dev.bench.preview --sources 1 10 --runs 5`.

The real engine previews phase `replicate` of sources that nothing exists of yet, which is when most is looked at. The floor is a
preview of a program that declares nothing.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dev.bench import command
from dev.bench.projects import configure, write_project
from dev.bench.sources import make_sources
from dev.sandbox import Sandbox
from dev.sandbox.seed import Seeded, seed
from dev.workload.workspace import Workspace
from rds_encrypt.rehearse.workspace import CommandFailed
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["main"]

_ROWS = 2_000


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
        return min(preview.seconds for preview in self.previews)

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(preview.seconds for preview in self.previews)

    def summary(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**asdict(self), "best": round(self.best, 2), "median": round(self.median, 2)}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write the figures."""
    parser = command.parser("dev.bench.preview", __doc__)
    parser.add_argument(
        "--sources", type=int, nargs="+", default=[1, 10], help="how many, one figure for each"
    )
    parser.add_argument(
        "--replicas", type=int, default=0, help="read replicas of each source, on small servers"
    )
    parser.add_argument("--runs", type=int, default=5, help="previews for each figure")
    options = parser.parse_args(arguments)

    def run(console: Console) -> int:
        with tempfile.TemporaryDirectory(prefix="bench-preview-") as directory:
            figures = _measure(Path(directory), options, console)
        console.print(_table(figures))
        rows = [figure.summary() for figure in figures]
        command.write("bench-preview", {"figures": rows}, options.engine, console)
        return 0

    return command.run(run)


def _measure(directory: Path, options: argparse.Namespace, console: Console) -> list[Figure]:
    with Sandbox.running(directory / "sandbox") as sandbox:
        sources = _sources(sandbox, options, console)
        environment = {
            **sandbox.settings(),
            DIRECTORY: str(directory / "reports"),
            # As on anybody's machine, Python keeps what it has compiled; not in the checkout.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
        }
        project = write_project(directory / "nothing", "nothing", "import pulumi\n")
        empty = Workspace(directory / "empty", environment=environment, project=project)
        empty.create()
        figures = [_timed("a program that declares nothing", 0, empty, options.runs)]
        workspace = Workspace(directory / "workspace", environment=environment)
        workspace.create()
        for count in options.sources:
            configure(workspace, "replicate", sources[:count])
            what = f"{count} source{'s' if count > 1 else ''}"
            figures.append(_timed(what, count, workspace, options.runs))
            console.print(f"{what}: {figures[-1].median:.2f} s")
    return figures


def _sources(sandbox: Sandbox, options: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """Make as many as the largest figure needs, and return what the config says of them."""
    count = max(options.sources)
    if options.replicas:
        console.print(f"making {count} sources with {options.replicas} replicas each …")
        small = make_sources(sandbox, count, options.engine, replicas=options.replicas)
        return [small.settings(name) for name in small.names]
    seeded = []
    for number in range(count):
        console.print(f"seeding source {number + 1} of {count} …")
        seeded.append(seed(sandbox, engine=options.engine, rows=_ROWS, identifier=f"orders-{number + 1}"))
    return [_settings(source) for source in seeded]


def _settings(seeded: Seeded) -> dict[str, Any]:
    return {
        "identifier": seeded.identifier,
        "kmsKey": f"alias/{seeded.identifier}",
        "caFile": str(seeded.ca_bundle.resolve()),
        "credentials": {"secretId": seeded.master_secret},
    }


def _timed(what: str, sources: int, workspace: Workspace, runs: int) -> Figure:
    """Preview once to warm up, and then as often as wanted."""
    previews = []
    for _ in range(runs + 1):
        before = _cpu_of_children()
        result = workspace.preview()
        if not result.ok:
            raise CommandFailed(result)
        previews.append(Preview(result.seconds, _cpu_of_children() - before))
    return Figure(what, sources, tuple(previews[1:]))


def _cpu_of_children() -> float:
    """Return the processor time of the commands that have ended, and of what they waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _table(figures: list[Figure]) -> Table:
    titles = ("of", "best s", "median s", "CPU s", "runs")
    table = command.table(titles, {"of"}, title="pulumi preview, phase `replicate`")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.best:.2f}",
            f"{figure.median:.2f}",
            f"{statistics.median(preview.cpu for preview in figure.previews):.2f}",
            str(len(figure.previews)),
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
