"""All phases of one engine on one sandbox, every command struck wherever it can be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from dev.workload.workspace import Workspace
from tests.chaos.procedure import judge
from tests.chaos.procedure.chain import Chain, Result, Tell, follow
from tests.chaos.procedure.points import (
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
from tests.chaos.procedure.run import Ending, Run
from tests.engine.account import look
from tests.engine.deployment import Deployment, driving
from tests.waiting import until

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
    with driving(directory, engine) as deployment:
        before = look(deployment)
        source = deployment.instance("orders")

        def chain(
            verb: str, command: str, steps: tuple[str, ...], end: Callable[[], list[str]]
        ) -> list[Result]:
            followed = follow(deployment, verb, command, drawn(dice, steps, moments, turn=turn), tell)
            return _judged(followed, end(), tell)

        def swap(phase: str, step: str, end: Callable[[], list[str]]) -> list[Result]:
            deployment.configure(phase)
            points = drawn_inside(dice, step, _INSIDE_A_CUTOVER * moments, _CALLS_OF_A_CUTOVER, turn=turn)
            return _judged(follow(deployment, "up", phase, points, tell), end(), tell)

        deployment.configure("replicate")
        yield from by_hand(deployment, before, tell)
        yield killed_and_given_up(deployment, before, tell)
        yield from chain("up", "replicate", REPLICATE, lambda: judge.replicating(deployment))
        yield from chain("destroy", "destroy", DESTROY, lambda: judge.as_it_was(deployment, before))
        deployment.configure("replicate")
        yield from two_at_once(deployment, tell)
        for name in ("other", deployment.workspace.stack):
            yield second_backend(deployment, directory / f"elsewhere-{name}", name, tell)
        yield lose_state(deployment, "replicate", lambda: judge.replicating(deployment), tell)
        yield from swap("cutover", "Cutover orders", lambda: judge.cut_over(deployment))
        yield lose_state(deployment, "cutover", lambda: judge.cut_over(deployment), tell)
        yield from swap("rollback", "Rollback orders", lambda: judge.rolled_back(deployment, source))
        yield lose_state(deployment, "rollback", lambda: judge.rolled_back(deployment, source), tell)
        deployment.up("cutover")
        deployment.configure("cleanup")
        yield from chain("up", "cleanup", CLEANUP, lambda: judge.cleaned_up(deployment, source))
        yield lose_state(deployment, "cleanup", lambda: judge.cleaned_up(deployment, source), tell)
        yield from chain("destroy", "destroy after cleanup", RETIRE, lambda: judge.retired(deployment))


def by_hand(deployment: Deployment, before: dict[str, Any], tell: Tell = print) -> list[Result]:
    """Let RDS fail where only a person can help; do what the program says then, and nothing else."""
    results = []

    def fails(step: str, fault: Fault, sentence: str, then: Callable[[], list[str]]) -> None:
        point = Point(step, "inside", fault)
        first = Run(deployment, "up", [point]).ending()
        again = Run(deployment, "up").ending()
        result = Result(
            deployment.seeded.engine_version, "replicate", point, first, f"the next run said: {again.said}"
        )
        if first.kind != "failed" or sentence not in again.said:
            result.wrong.append(f"it should say {sentence!r}: {first}; then {again}")
        result.wrong += then()
        results.append(result)

    def give_up() -> list[str]:
        deployment.destroy()
        return judge.as_it_was(deployment, before)

    def destroyed() -> list[str]:
        deployment.destroy()
        return []

    def delete_the_copy() -> list[str]:
        deployment.client("rds").delete_db_snapshot(DBSnapshotIdentifier="orders-encrypted")
        deployment.note(deployment.workspace.refresh("--skip-preview"))
        return (
            follow(deployment, "up", "replicate", (), tell).wrong + judge.replicating(deployment) + give_up()
        )

    # RDS modifies no broken instance, so that a protected one could not be deleted by anybody here.
    with unprotected(deployment):
        fails(
            "Instance orders-encrypted", "the restore fails", "its status is incompatible-restore", destroyed
        )
    results[-1].wrong += judge.as_it_was(deployment, before)
    fails("SnapshotCopy orders-encrypted", "the copy fails", "this snapshot has failed", delete_the_copy)
    for step, fault in (
        ("SnapshotCopy orders-encrypted", "quota used up"),
        ("Instance orders-encrypted", "no capacity"),
    ):
        chain = follow(deployment, "up", "replicate", [Point(step, "inside", fault)], tell)  # type: ignore[arg-type] # two of them
        results += chain.results
        chain.results[-1].wrong += [*chain.wrong, *judge.replicating(deployment), *give_up()]
    return _reported(results, tell)


@contextmanager
def unprotected(deployment: Deployment) -> Iterator[None]:
    """Take the source's deletion protection off for a while, and with it that of what is restored from it."""
    for protected in (False, True):
        deployment.client("rds").modify_db_instance(
            DBInstanceIdentifier="orders", DeletionProtection=protected, ApplyImmediately=True
        )
        until(partial(_settled, deployment, protected=protected))
        if not protected:
            yield


def _settled(deployment: Deployment, *, protected: bool) -> bool:
    instance = deployment.instance("orders")
    return instance["DBInstanceStatus"] == "available" and instance["DeletionProtection"] is protected


def killed_and_given_up(deployment: Deployment, before: dict[str, Any], tell: Tell = print) -> Result:
    """Kill a run while it makes what its state does not know of yet, and destroy: nothing of it may stay."""
    point = Point("Instance orders-encrypted", "inside", "kill everything", calls=2)
    ending = Run(deployment, "up", [point]).ending()
    deployment.workspace.run("cancel", "--yes", "--stack", deployment.workspace.stack)
    chain = follow(deployment, "destroy", "destroy", (), tell)
    result = Result(
        deployment.seeded.engine_version, "replicate", point, ending, "destroyed instead of run again"
    )
    if ending.kind != "killed":
        result.wrong.append(f"the run was not killed: {ending}")
    result.wrong += [*chain.wrong, *judge.as_it_was(deployment, before)]
    return _reported([result], tell)[0]


def two_at_once(deployment: Deployment, tell: Tell = print) -> list[Result]:
    """Start a second run on the same backend while the first is at work: it is refused by the lock, and harms nothing."""
    first = Run(deployment, "up")
    assert first.shows("Instance orders-not-encrypted", "creating"), first.output
    second = Run(deployment, "up").ending()
    ending = first.ending()
    result = _single(
        deployment, "replicate", "a second run", Ending(second.kind, second.said, ours=second.ours)
    )
    result.outcome = f"the first run: {ending.kind}"
    if second.kind != "failed" or "locked" not in second.said:
        result.wrong.append(f"the second run was not refused by the lock: {second}")
    if ending.kind != "completed":
        result.wrong.append(f"the first run did not complete: {ending}")
    result.wrong += judge.replicating(deployment)
    return _reported([result], tell)


def second_backend(deployment: Deployment, directory: Path, stack: str, tell: Tell = print) -> Result:
    """Run a stack with a backend of its own, perhaps of the same name, against the same source: the claim refuses it."""
    owned = deployment.tags("orders")
    other = Workspace(directory, environment=deployment.sandbox.settings())
    other.create()
    if stack != other.stack:
        other.run("stack", "init", stack, "--cwd", str(directory))
    config = deployment.workspace.config_file.read_text("utf-8")
    other.stack = stack
    other.config_file.write_text(
        "\n".join(line for line in config.splitlines() if not line.startswith("encryptionsalt")), "utf-8"
    )
    done = other.up("--skip-preview")
    what = "another stack" if stack != deployment.workspace.stack else "another backend"
    result = _single(deployment, "replicate", what, Ending("completed" if done.ok else "failed"))
    result.outcome = "refused by the claim on the source"
    if done.ok or "is already migrating this instance" not in done.output:
        result.wrong.append(f"another stack was not refused: {done.output[-1500:]}")
    if deployment.tags("orders") != owned:
        result.wrong.append("another stack changed the tags of the source")
    result.wrong += judge.replicating(deployment)
    return _reported([result], tell)[0]


def lose_state(
    deployment: Deployment, phase: str, end: Callable[[], list[str]], tell: Tell = print
) -> Result:
    """Throw the state away and run the phase again in a new stack of the same name: it adopts what it finds."""
    ids = _identities(deployment)
    deployment.workspace.create()
    deployment.configure(phase)
    chain = follow(deployment, "up", phase, (), tell)
    result = _single(deployment, phase, "the state is lost", Ending("completed"))
    result.outcome = f"adopted by run {chain.runs}"
    result.wrong += chain.wrong
    if _identities(deployment) != ids:
        result.wrong.append(f"the instances are {_identities(deployment)} instead of {ids}")
    result.wrong += end()
    return _reported([result], tell)[0]


def _identities(deployment: Deployment) -> dict[str, str]:
    instances = deployment.client("rds").describe_db_instances()["DBInstances"]
    return {instance["DBInstanceIdentifier"]: instance["DbiResourceId"] for instance in instances}


def _single(deployment: Deployment, phase: str, what: Any, ending: Ending) -> Result:
    fault: Fault = what
    moment: Moment = "after"
    return Result(deployment.seeded.engine_version, phase, Point(f"phase {phase}", moment, fault), ending)


def _judged(chain: Chain, findings: list[str], tell: Tell) -> list[Result]:
    """What is wrong at the end of a chain is held against its last point: the chain is the culprit."""
    if chain.results:
        chain.results[-1].wrong += [*chain.wrong, *findings]
    return _reported(chain.results, tell)


def _reported(results: list[Result], tell: Tell) -> list[Result]:
    for result in results:
        for wrong in result.wrong:
            tell(f"  !! {result.command}, {result.point}: {wrong}")
    return results
