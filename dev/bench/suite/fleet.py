"""Lines of stacks with many sources: time and memory beside plain stacks of that size, and calls of AWS's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from dev.bench.fleet import Step, measure, parse
from dev.bench.stack import PLAIN, measure_plain
from dev.bench.suite.lines import Line, at_most
from dev.bench.suite.wish import Wish

__all__ = ["call_lines", "fleet", "stack_lines"]

_ALL = ("replicate", "cutover", "cleanup")
_FIRST = _ALL[0]
_QUICK, _FULL = (1, 10), (1, 10, 50)


def fleet(wish: Wish) -> list[Step]:
    """Take stacks of some sizes through the phases, each with a plain one beside it.

    In the quick suite only the first goes all the way: the phases behind `replicate` take as long as all that comes before.
    """
    steps: list[Step] = []
    for number, count in enumerate(wish.sources or (_FULL if wish.full else _QUICK)):
        phases = _ALL if wish.full or not number else _ALL[:1]
        place = wish.place(f"fleet-{count}")
        options = parse(["--engine", wish.engine, "--phases", *phases])
        wish.say(f"{_of(count)}, as far as {phases[-1]}")
        measure(
            place,
            count,
            options,
            wish.console,
            steps,
            beside=lambda sandbox, ours, parallel, place=place: measure_plain(  # type: ignore[misc]
                place / "plain", sandbox, ours, parallel
            ),
        )
    return steps


def stack_lines(steps: Sequence[Step]) -> Iterator[Line]:
    """Return times and memory beside those of plain resources, and how they grow with the number of sources."""
    found = {(step.sources, step.what): step for step in steps}
    counts = _counts(steps)
    for count in counts:
        for verb, name in (
            ("preview", "preview of all that is to be made"),
            ("no-change", "`up` without a change"),
        ):
            ours, plain = found[count, f"{verb} {_FIRST}"], found[count, f"{verb} {PLAIN}"]
            yield Line(f"{name}, {_of(count)}", ours.seconds, "s", plain.seconds, _PEER)
        ours, plain = found[count, f"up {_FIRST}"], found[count, f"up {PLAIN}"]
        yield Line(f"memory of `up`, {_of(count)}", ours.memory, "MB", plain.memory, _PEER)
    for few, many in pairwise(counts):

        def growth(what: str, of: Callable[[Step], float], few: int = few, many: int = many) -> float:
            return (of(found[many, what]) - of(found[few, what])) / (many - few)

        for verb, name, unit, of in (
            ("no-change", "`up` without a change", "s", _seconds),
            ("up", "`up` in `replicate`", "s", _seconds),
            ("up", "memory", "MB", _memory),
        ):
            ours_, plain_ = growth(f"{verb} {_FIRST}", of), growth(f"{verb} {PLAIN}", of)
            yield Line(f"{name}, for each source from {few} to {many}", ours_, unit, plain_, _PEER)


def call_lines(steps: Sequence[Step]) -> Iterator[Line]:
    """Return our own calls; those of the AWS provider go by its clock, and are counted where that is AWS's (`in-sync`)."""
    ups = [step for step in steps if step.what in {f"up {phase}" for phase in _ALL}]
    all_the_way = [count for count in _counts(ups) if len(_at(ups, count)) == len(_ALL)]
    first = [step for step in ups if step.what == f"up {_FIRST}"]
    yield from _calls("our AWS calls for a source, all phases", ups, all_the_way)
    yield from _calls(f"our AWS calls for a source, `{_FIRST}`", first, _counts(first))
    for count in _counts(ups):
        peak = max(step.peak_ours for step in _at(ups, count))
        yield Line(f"our AWS calls in the busiest minute, nothing to wait for, {_of(count)}", peak, "")


_PEER = "as many plain resources"


def _calls(name: str, steps: Sequence[Step], counts: Sequence[int]) -> Iterator[Line]:
    """Return the calls for each source; they should not rise with the number of sources."""
    fewest: float | None = None
    for count in counts:
        each = sum(step.ours for step in _at(steps, count)) / count
        if fewest is None:
            fewest = each
            yield Line(f"{name}, {_of(count)}", each, "")
        else:
            yield Line(f"{name}, {_of(count)}", each, "", fewest, f"with {_of(counts[0])}", at_most(1.0))


def _at(steps: Sequence[Step], count: int) -> list[Step]:
    return [step for step in steps if step.sources == count]


def _counts(steps: Sequence[Step]) -> list[int]:
    return sorted({step.sources for step in steps})


def _of(count: int) -> str:
    return f"{count} source{'s' if count > 1 else ''}"


def _seconds(step: Step) -> float:
    return step.seconds


def _memory(step: Step) -> float:
    return step.memory
