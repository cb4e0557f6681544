"""The whole suite in one table: `python -m dev.bench`, or some parts of it: `python -m dev.bench --only in-sync calls`.

Each line is a ratio, measured in one run, against a peer or a limit. It ends with 1 if a line is over its limit or a part came to no
figure; the other parts are measured all the same.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import FrameType

from dev.bench.fleet import Step
from dev.bench.machine import Machine, describe
from dev.bench.screen import screen
from dev.bench.suite.catch_up import catch_up
from dev.bench.suite.fleet import call_lines, fleet, stack_lines
from dev.bench.suite.in_sync import in_sync
from dev.bench.suite.lines import Line, failed, markdown, sentences, table
from dev.bench.suite.outage import outage
from dev.bench.suite.verification import verification
from dev.bench.suite.wish import Wish
from dev.workload.workspace import ROOT, CommandFailed

__all__ = ["BUILD", "PARTS", "Suite", "main", "measured"]

BUILD = ROOT / "build"
PARTS = ("in-sync", "outage", "stack", "calls", "verification", "catch-up")
"""The parts, in the order in which they are measured."""
_INTERRUPTED = 130


class Suite:
    """The parts by name, for one wish."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish

    @property
    def parts(self) -> Mapping[str, Callable[[], Iterable[Line]]]:
        return {
            "in-sync": lambda: in_sync(self._wish),
            "outage": lambda: outage(self._wish),
            "stack": lambda: stack_lines(self._steps),
            "calls": lambda: call_lines(self._steps),
            "verification": lambda: verification(self._wish),
            "catch-up": lambda: catch_up(self._wish),
        }

    @cached_property
    def _steps(self) -> list[Step]:
        """Two parts look at the same commands."""
        return fleet(self._wish)


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts, print the table, write the figures; return 0 only if every line keeps its limit."""
    options = _options(arguments)
    console = screen()
    machine = describe(options.engine)
    console.print(str(machine), soft_wrap=True)
    begun = time.monotonic()

    def say(sentence: str) -> None:
        console.print(
            f"{time.monotonic() - begun:6.0f} s  {sentence}",
            style="bright_black",
            markup=False,
            soft_wrap=True,
        )

    lines: list[Line] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as directory:
            wish = Wish(options.full, options.engine, tuple(options.sources), Path(directory), console, say)
            suite = Suite(wish)
            for name in options.only:
                lines += measured(name, suite.parts[name], say)
                _write(lines, machine)
    except KeyboardInterrupt:
        console.print("\nInterrupted: Pulumi and the sandboxes are stopped.")
        return _INTERRUPTED
    finally:
        if lines:
            console.print()
            console.print(table(lines))
            console.print(
                f"\n{machine}\nWritten to build/bench.json, build/bench.md and build/bench-machine.json.",
                soft_wrap=True,
            )
    for sentence in sentences(lines):
        console.print(f"✗ {sentence}.", style="red", markup=False, soft_wrap=True)
    return 1 if sentences(lines) else 0


def measured(name: str, part: Callable[[], Iterable[Line]], say: Callable[[str], None]) -> list[Line]:
    """Measure one part; whatever stops it is told in its line, and stops no other part."""
    say(f"{name} …")
    found: list[Line] = []
    try:
        found.extend(part())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of parts as different as these, anything may come
        if isinstance(error, CommandFailed):
            say(error.result.output.strip())
        found.append(failed(name, f"{type(error).__name__}: {error}"))
        say(f"{name}: {found[-1].trouble}")
    return found


def _write(lines: Sequence[Line], machine: Machine) -> None:
    """Write what there is by now, so that a run that is interrupted is not in vain."""
    BUILD.mkdir(exist_ok=True)
    for name, content in (
        ("bench.json", _as_json([line.as_json() for line in lines])),
        ("bench-machine.json", _as_json(asdict(machine))),
        ("bench.md", f"{machine}\n\n{markdown(lines)}"),
    ):
        (BUILD / name).write_text(content, encoding="utf-8")


def _as_json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts (default: all)"
    )
    parser.add_argument("--full", action="store_true", help="hours instead of minutes: `make bench-full`")
    parser.add_argument(
        "--engine", choices=("8.0", "5.7", "9.7"), default="8.0", help="MySQL version of the sources"
    )
    parser.add_argument(
        "--sources", nargs="+", type=int, default=[], help="so many in one stack, for stack and calls"
    )
    parser.add_argument(
        "--directory", type=Path, help="holds the sandboxes (default: the system's temporary one)"
    )
    return parser.parse_args(arguments)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Whoever ends us gets the same orderly end as Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
