"""The whole suite in one table: `python -m dev.bench`, or some parts of it: `python -m dev.bench --only in-sync calls`.

Each line is a ratio, measured in one run, against a peer or a limit. It ends with 1 if a line is over its limit or a part came to no
figure; the other parts are measured all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

from rich.console import Console

from dev.bench import catch_up, command, cutover, fleet, in_sync, stack, verification
from dev.bench.command import BUILD, Say
from dev.bench.lines import Line, failed, markdown, show
from dev.bench.machine import Machine, describe
from dev.bench.model import Strategy
from rds_encrypt.rehearse.workspace import CommandFailed

__all__ = ["PARTS", "Suite", "main", "measured"]

PARTS = ("in-sync", "outage", "stack", "calls", "verification", "catch-up")
"""The parts, in the order in which they are measured."""


@dataclass(frozen=True)
class Suite:
    """What a run was asked for, and its parts by name.

    Attributes:
        full: as in `make bench-full`, which takes hours, instead of minutes.
        sources: how many in one stack, each with a figure of its own; empty for the suite's own choice.
        directory: holds the sandboxes and the stacks.
        say: shows how far a part has come.
    """

    full: bool
    engine: str
    sources: tuple[int, ...]
    directory: Path
    console: Console
    say: Say

    @property
    def parts(self) -> Mapping[str, Callable[[], Iterable[Line]]]:
        return {
            "in-sync": self._in_sync,
            "outage": self._outage,
            "stack": lambda: stack.stack_lines(self._steps),
            "calls": lambda: stack.call_lines(self._steps),
            "verification": self._verification,
            "catch-up": self._catch_up,
        }

    def _in_sync(self) -> Iterable[Line]:
        """Take one source until it is in sync, in the profile `realistic`; in the quick suite at a fraction of its times."""
        factor = 1.0 if self.full else 0.08
        yield from in_sync.lines_of(in_sync.measure(self._place("in-sync"), self.engine, factor, self.say))

    def _outage(self) -> Iterable[Line]:
        """Cut over with an application that writes; by a record as well in the full suite."""
        strategies: tuple[Strategy, ...] = ("rename", "dns") if self.full else ("rename",)
        for strategy in strategies:
            place, pairs = self._place(f"outage-{strategy}"), 5 if self.full else 1
            yield from cutover.lines_of(cutover.measure(place, self.engine, strategy, pairs, self.say))

    @cached_property
    def _steps(self) -> list[fleet.Step]:
        """Take stacks of some sizes through the phases, each with a plain one beside it; two parts look at the same commands.

        In the quick suite only the first goes all the way: the phases behind `replicate` take as long as all that comes before.
        """
        steps: list[fleet.Step] = []
        for number, count in enumerate(self.sources or ((1, 10, 50) if self.full else (1, 10))):
            phases = stack.ALL if self.full or not number else stack.ALL[:1]
            place = self._place(f"fleet-{count}")
            options = fleet.parse(["--engine", self.engine, "--phases", *phases])
            self.say(f"{stack.of_sources(count)}, as far as {phases[-1]}")
            plain = partial(stack.measure_plain, place / "plain")
            fleet.measure(place, count, options, self.console, steps, beside=plain)
        return steps

    def _verification(self) -> Iterable[Line]:
        """Compare two servers that hold the same; in the full suite with 2 GB of data on each, too."""
        quick = ["--rows", "2000000", "--shapes", "orders"]
        large = ["--rows", "9000000", "--shapes", "sysbench", "--runs", "1"]
        for data in (quick[:2], large) if self.full else (quick,):
            options = verification.parse(["--engine", self.engine, *data])
            yield from verification.lines_of(verification.measure(options, self.console))

    def _catch_up(self) -> Iterable[Line]:
        """Let the encrypted instance and a plain replica catch up with the same writes."""
        megabytes = 100.0 if self.full else 15.0
        figures = catch_up.measure(self.engine, self._place("catch-up"), self.console, megabytes=megabytes)
        yield from catch_up.lines_of(figures)

    def _place(self, name: str) -> Path:
        """Return a fresh directory."""
        directory = self.directory / name
        directory.mkdir(parents=True)
        return directory


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts, print the table, write the figures; return 0 only if every line keeps its limit."""
    options = _options(arguments)
    return command.run(partial(_measured, options))


def _measured(options: argparse.Namespace, console: Console) -> int:
    machine = describe(options.engine)
    console.print(str(machine), soft_wrap=True)
    say = command.told(console)
    lines: list[Line] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as directory:
            given = (options.full, options.engine, tuple(options.sources), Path(directory))
            suite = Suite(*given, console, say)
            for name in options.only:
                lines += measured(name, suite.parts[name], say)
                _write(lines, machine)
    finally:
        broken = show(console, lines) if lines else 0
        console.print(
            f"\n{machine}\nWritten to build/bench.json, build/bench.md and build/bench-machine.json.",
            soft_wrap=True,
        )
    return broken


def measured(name: str, part: Callable[[], Iterable[Line]], say: Callable[[str], None]) -> list[Line]:
    """Measure one part; whatever stops it is reported in its line and stops no other part."""
    say(f"{name} …")
    lines: list[Line] = []
    try:
        lines.extend(part())
    except Exception as error:  # noqa: BLE001 - of parts as different as these, anything may come
        if isinstance(error, CommandFailed):
            say(error.result.output.strip())
        lines.append(failed(name, f"{type(error).__name__}: {error}"))
        say(f"{name}: {lines[-1].trouble}")
    return lines


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
    parser = command.parser("dev.bench", __doc__)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts (default: all)"
    )
    parser.add_argument("--full", action="store_true", help="hours instead of minutes: `make bench-full`")
    parser.add_argument(
        "--sources", nargs="+", type=int, default=[], help="so many in one stack, for stack and calls"
    )
    parser.add_argument(
        "--directory", type=Path, help="holds the sandboxes (default: the system's temporary one)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
