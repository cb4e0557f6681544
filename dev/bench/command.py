"""What the commands of the benchmarks share: the terminal, an orderly end, a table, and the file of the figures."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from dev.bench.machine import describe
from dev.sandbox import SandboxError
from dev.workload.workspace import ROOT
from rds_encrypt.rehearse.workspace import CommandFailed

__all__ = ["BUILD", "BenchFailed", "Say", "parser", "run", "screen", "table", "told", "write"]

BUILD = ROOT / "build"
_WIDE = 160
_INTERRUPTED = 130

Say = Callable[[str], None]


class BenchFailed(Exception):
    """A run did not come to its end, so there is nothing to compare."""


def screen() -> Console:
    """Return the terminal; into a file, it is as wide as the widest table, so that nothing is cut off."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def told(console: Console) -> Say:
    """Return a function that prints a sentence with the seconds since this call."""
    begun = time.monotonic()

    def say(sentence: str) -> None:
        line = f"{time.monotonic() - begun:6.0f} s  {sentence}"
        console.print(line, style="bright_black", markup=False, soft_wrap=True)

    return say


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all commands share."""
    argument_parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    argument_parser.add_argument(
        "--engine", choices=("8.0", "5.7", "9.7"), default="8.0", help="MySQL version of the sources"
    )
    return argument_parser


def run(measure: Callable[[Console], int]) -> int:
    """Run a command; an early end is a sentence and an exit code."""
    # SIGTERM gets the same orderly end as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = screen()
    try:
        return measure(console)
    except KeyboardInterrupt:
        console.print("\nInterrupted: the writer, Pulumi and the sandboxes are stopped.")
        return _INTERRUPTED
    except CommandFailed as error:
        console.print(f"✗ {error}\n{error.result.output.strip()}", markup=False, style="red")
    except (BenchFailed, SandboxError) as error:
        console.print(f"✗ {error}", markup=False, style="red")
    return 1


def table(titles: Sequence[str], words: Collection[str], title: str | None = None) -> Table:
    """Return an empty table in which all columns but some are numbers."""
    empty_table = Table(title=title, title_justify="left", box=None, padding=(0, 1), header_style="bold")
    for name in titles:
        empty_table.add_column(name, justify="left" if name in words else "right", overflow="fold")
    return empty_table


def write(name: str, figures: Mapping[str, object], engine: str, console: Console) -> None:
    """Write figures to a file in build/, with the machine that they are from."""
    BUILD.mkdir(exist_ok=True)
    file = BUILD / f"{name}.json"
    content = {"engine": engine, "machine": str(describe(engine)), **figures}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"Written to {file.relative_to(ROOT)}.")
