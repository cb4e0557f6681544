"""All phases of one engine on one sandbox, every command struck wherever it can be."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev.workload.workspace import Workspace
from tests.chaos.roads import judge
from tests.chaos.roads.chain import Chain, Result, Tell, follow
from tests.chaos.roads.points import (
    CLEANUP,
    DESTROY,
    REPLICATE,
    RETIRE,
    Fault,
    Moment,
    Point,
    drawn,
    drawn_inside,
)
from tests.chaos.roads.run import Ending, Run
from tests.engine.account import look
from tests.engine.road import Road, driving

__all__ = ["by_hand", "journey", "killed_and_given_up", "lose_state", "second_backend", "two_at_once"]

_INSIDE_A_CUTOVER = 5
"""Places inside a cutover or a rollback that are struck, for each moment that other steps are struck at; `make chaos-cutover` strikes hundreds."""
_CALLS_OF_A_CUTOVER = 40
"""Calls to AWS that one makes, about."""


def journey(
    directory: Path,
    *,
    engine: str,
    dice: random.Random,
    moments: int = 1,
    turn: int = 0,
    tell: Tell = print,
) -> Iterator[Result]:
    """Go through all phases, and give the result of each point when its chain is judged."""
    with driving(directory, engine) as road:
        before = look(road)
        source = road.instance("orders")

        def chain(
            verb: str, command: str, steps: tuple[str, ...], end: Callable[[], list[str]]
        ) -> list[Result]:
            followed = follow(road, verb, command, drawn(dice, steps, moments, turn=turn), tell)
            return _judged(followed, end(), tell)

        def swap(phase: str, step: str, end: Callable[[], list[str]]) -> list[Result]:
            road.configure(phase)
            points = drawn_inside(dice, step, _INSIDE_A_CUTOVER * moments, _CALLS_OF_A_CUTOVER, turn=turn)
            return _judged(follow(road, "up", phase, points, tell), end(), tell)

        road.configure("replicate")
        yield from by_hand(road, before, tell)
        yield killed_and_given_up(road, before, tell)
        yield from chain("up", "replicate", REPLICATE, lambda: judge.replicating(road))
        yield from chain("destroy", "destroy", DESTROY, lambda: judge.as_it_was(road, before))
        road.configure("replicate")
        yield from two_at_once(road, tell)
        for name in ("other", road.workspace.stack):
            yield second_backend(road, directory / f"elsewhere-{name}", name, tell)
        yield lose_state(road, "replicate", lambda: judge.replicating(road), tell)
        yield from swap("cutover", "Cutover orders", lambda: judge.cut_over(road))
        yield lose_state(road, "cutover", lambda: judge.cut_over(road), tell)
        yield from swap("rollback", "Rollback orders", lambda: judge.rolled_back(road, source))
        yield lose_state(road, "rollback", lambda: judge.rolled_back(road, source), tell)
        road.up("cutover")
        road.configure("cleanup")
        yield from chain("up", "cleanup", CLEANUP, lambda: judge.cleaned_up(road, source))
        yield lose_state(road, "cleanup", lambda: judge.cleaned_up(road, source), tell)
        yield from chain("destroy", "destroy after cleanup", RETIRE, lambda: judge.retired(road))


def by_hand(road: Road, before: dict[str, Any], tell: Tell = print) -> list[Result]:
    """Let RDS fail where only a person can help; do what the program says then, and nothing else."""
    results = []

    def fails(step: str, fault: Fault, said: str, then: Callable[[], list[str]]) -> None:
        point = Point(step, "inside", fault)
        first = Run(road, "up", [point]).ending()
        again = Run(road, "up").ending()
        result = Result(
            road.seeded.engine_version, "replicate", point, first, f"the next run said: {again.said}"
        )
        if first.kind != "failed" or said not in again.said:
            result.wrong.append(f"it should say {said!r}: {first}; then {again}")
        result.wrong += then()
        results.append(result)

    def give_up() -> list[str]:
        road.destroy()
        return judge.as_it_was(road, before)

    def destroyed() -> list[str]:
        road.destroy()
        return []

    def delete_the_copy() -> list[str]:
        road.client("rds").delete_db_snapshot(DBSnapshotIdentifier="orders-encrypted")
        road.note(road.workspace.refresh("--skip-preview"))
        return follow(road, "up", "replicate", (), tell).wrong + judge.replicating(road) + give_up()

    # RDS modifies no broken instance, so that a protected one could not be deleted by anybody here.
    with unprotected(road):
        fails(
            "Instance orders-encrypted", "the restore fails", "its status is incompatible-restore", destroyed
        )
    results[-1].wrong += judge.as_it_was(road, before)
    fails("SnapshotCopy orders-encrypted", "the copy fails", "this snapshot has failed", delete_the_copy)
    for step, fault in (
        ("SnapshotCopy orders-encrypted", "quota used up"),
        ("Instance orders-encrypted", "no capacity"),
    ):
        chain = follow(road, "up", "replicate", [Point(step, "inside", fault)], tell)  # type: ignore[arg-type] # two of them
        results += chain.results
        chain.results[-1].wrong += [*chain.wrong, *judge.replicating(road), *give_up()]
    return _told(results, tell)


@contextmanager
def unprotected(road: Road) -> Iterator[None]:
    """Take the source's deletion protection off for a while, and so that of what is restored from it."""
    for protected in (False, True):
        road.client("rds").modify_db_instance(
            DBInstanceIdentifier="orders", DeletionProtection=protected, ApplyImmediately=True
        )
        deadline = time.monotonic() + 30
        while not _settled(road, protected=protected):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        if not protected:
            yield


def _settled(road: Road, *, protected: bool) -> bool:
    found = road.instance("orders")
    return found["DBInstanceStatus"] == "available" and found["DeletionProtection"] is protected


def killed_and_given_up(road: Road, before: dict[str, Any], tell: Tell = print) -> Result:
    """Kill a run while it makes what its state does not know of yet, and destroy: nothing of it may stay."""
    point = Point("Instance orders-encrypted", "inside", "kill everything", calls=2)
    ending = Run(road, "up", [point]).ending()
    road.workspace.run("cancel", "--yes", "--stack", road.workspace.stack)
    chain = follow(road, "destroy", "destroy", (), tell)
    result = Result(road.seeded.engine_version, "replicate", point, ending, "destroyed instead of run again")
    result.wrong += [*chain.wrong, *judge.as_it_was(road, before)]
    return _told([result], tell)[0]


def two_at_once(road: Road, tell: Tell = print) -> list[Result]:
    """Start a second run on the same backend while the first is at work: it is refused by the lock, and harms nothing."""
    first = Run(road, "up")
    assert first.shows("Instance orders-not-encrypted", "creating"), first.output
    second = Run(road, "up").ending()
    ending = first.ending()
    result = _single(road, "replicate", "a second run", Ending(second.kind, second.said, ours=second.ours))
    result.outcome = f"the first run: {ending.kind}"
    if second.kind != "failed" or "locked" not in second.said:
        result.wrong.append(f"the second run was not refused by the lock: {second}")
    if ending.kind != "completed":
        result.wrong.append(f"the first run did not complete: {ending}")
    result.wrong += judge.replicating(road)
    return _told([result], tell)


def second_backend(road: Road, directory: Path, stack: str, tell: Tell = print) -> Result:
    """Run a stack with a backend of its own, perhaps of the same name, against the same source: the claim refuses it."""
    owned = road.tags("orders")
    other = Workspace(directory, environment=road.sandbox.settings())
    other.create()
    if stack != other.stack:
        other.run("stack", "init", stack, "--cwd", str(directory))
    config = road.workspace.config_file.read_text("utf-8")
    other.stack = stack
    other.config_file.write_text(
        "\n".join(line for line in config.splitlines() if not line.startswith("encryptionsalt")), "utf-8"
    )
    done = other.up("--skip-preview")
    what = "another stack" if stack != road.workspace.stack else "another backend"
    result = _single(road, "replicate", what, Ending("completed" if done.ok else "failed"))
    result.outcome = "refused by the claim on the source"
    if done.ok or "is already migrating this instance" not in done.output:
        result.wrong.append(f"another stack was not refused: {done.output[-1500:]}")
    if road.tags("orders") != owned:
        result.wrong.append("another stack changed the tags of the source")
    result.wrong += judge.replicating(road)
    return _told([result], tell)[0]


def lose_state(road: Road, phase: str, end: Callable[[], list[str]], tell: Tell = print) -> Result:
    """Throw the state away and run the phase again in a new stack of the same name: it adopts what it finds."""
    ids = _identities(road)
    road.workspace.create()
    road.configure(phase)
    chain = follow(road, "up", phase, (), tell)
    result = _single(road, phase, "the state is lost", Ending("completed"))
    result.outcome = f"adopted by run {chain.runs}"
    result.wrong += chain.wrong
    if _identities(road) != ids:
        result.wrong.append(f"the instances are {_identities(road)} instead of {ids}")
    result.wrong += end()
    return _told([result], tell)[0]


def _identities(road: Road) -> dict[str, str]:
    found = road.client("rds").describe_db_instances()["DBInstances"]
    return {instance["DBInstanceIdentifier"]: instance["DbiResourceId"] for instance in found}


def _single(road: Road, phase: str, what: Any, ending: Ending) -> Result:
    fault: Fault = what
    moment: Moment = "after"
    return Result(road.seeded.engine_version, phase, Point(f"phase {phase}", moment, fault), ending)


def _judged(chain: Chain, found: list[str], tell: Tell) -> list[Result]:
    """What is wrong at the end of a chain is held against its last point: the chain is the culprit."""
    if chain.results:
        chain.results[-1].wrong += [*chain.wrong, *found]
    return _told(chain.results, tell)


def _told(results: list[Result], tell: Tell) -> list[Result]:
    for result in results:
        for wrong in result.wrong:
            tell(f"  !! {result.command}, {result.point}: {wrong}")
    return results
