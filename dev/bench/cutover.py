"""The cutover against the plain runbook: `python -m dev.bench.cutover --pairs 5 --strategy rename --engine 8.0`."""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from dev.bench.figures import Bench, Pair
from dev.bench.model import Strategy, model_for
from dev.bench.plot import write_data, write_picture
from dev.bench.run import BenchFailed, Say, measure_floors, place, run_ours, run_runbook
from dev.bench.runbook import RunbookFailed
from dev.bench.screen import screen
from dev.bench.table import show
from dev.sandbox import SandboxError
from dev.workload.workspace import ROOT, CommandFailed

__all__ = ["main", "measure"]

_BUILD = ROOT / "build"
_DIRECTORY = ROOT / ".cache" / "bench"
_INTERRUPTED = 130
_FLOORS = 3
"""At least so often the floor is measured."""


def main(arguments: list[str] | None = None) -> int:
    """Run all pairs and return the exit code: 0 only if everything is as promised."""
    options = _options(arguments)
    console = screen()
    # Whoever ends us gets the same orderly end as Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    begun = time.monotonic()

    def say(sentence: str) -> None:
        console.print(f"{time.monotonic() - begun:6.0f} s  {sentence}", style="bright_black", soft_wrap=True)

    try:
        bench = measure(options.directory, options.engine, options.strategy, options.pairs, say)
    except KeyboardInterrupt:
        console.print("\nInterrupted: the writer, Pulumi and the sandbox are stopped.")
        return _INTERRUPTED
    except CommandFailed as error:
        console.print(f"✗ {error} {error.result.output.strip()}", markup=False, style="red")
        return 1
    except (BenchFailed, RunbookFailed, SandboxError) as error:
        console.print(f"✗ {error}", markup=False, style="red")
        return 1
    console.print()
    show(console, bench)
    _write(bench, console)
    for sentence in bench.broken_promises():
        console.print(f"✗ Not as promised: {sentence}.", style="red", soft_wrap=True)
    return 1 if bench.broken_promises() else 0


def measure(directory: Path, engine: str, strategy: Strategy, pairs: int, say: Say) -> Bench:
    """Drive both roads so many times, each in a fresh sandbox, and measure the floor in the runbook's."""
    model = model_for(strategy)
    found: list[Pair] = []
    floors: list[float] = []
    version = ""
    for number in range(1, pairs + 1):
        tell = _numbered(say, number)
        with place(directory, engine, model, tell) as here:
            version = here.seeded.engine_version
            ours = run_ours(here, directory, strategy)
        with place(directory, engine, model, tell) as here:
            runbook = run_runbook(here)
            floors += measure_floors(here, math.ceil(_FLOORS / pairs))
        found.append(Pair(ours, runbook))
    return Bench(version, strategy, floors, found)


def _numbered(say: Say, number: int) -> Say:
    return lambda sentence: say(f"pair {number}  {sentence}")


def _write(bench: Bench, console: Console) -> None:
    _BUILD.mkdir(exist_ok=True)
    (_BUILD / "bench-cutover.json").write_text(json.dumps(bench.as_json(), indent=2) + "\n", encoding="utf-8")
    write_data(bench, _BUILD / "bench-cutover.csv")
    shown = write_picture(bench, _BUILD / "bench-cutover.png")
    console.print(
        f"\nbuild/bench-cutover.png (pair {shown}), build/bench-cutover.csv (all pairs), build/bench-cutover.json",
        soft_wrap=True,
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dev.bench.cutover",
        description="Measure the cutover against the plain runbook, both with an application that writes.",
    )
    parser.add_argument("--pairs", type=_positive, default=5, help="runs of each of the two (default: 5)")
    parser.add_argument("--strategy", choices=("rename", "dns"), default="rename", help="how ours swaps")
    parser.add_argument(
        "--engine", choices=("8.0", "5.7", "9.7"), default="8.0", help="MySQL version of the source"
    )
    parser.add_argument(
        "--directory", type=Path, default=_DIRECTORY, help="holds the sandboxes and the stacks"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} pairs are too few: at least 1")
    return number


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
