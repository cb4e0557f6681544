"""Two followers of one source, at rest at the same of its coordinates: then they hold the same data, or one of them is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from foundation.errors import MigrationError, NeedsHuman, Retryable
from foundation.waiting import Progress, Wait, silent, until
from replication import channel
from replication.coordinates import Coordinates
from replication.session import Session

__all__ = ["Opener", "at_rest", "resume"]

Opener = Callable[[], AbstractContextManager[Session]]
"""Opens one more session on an instance; each may be used by one thread at a time."""

_ROUNDS = 5


@contextmanager
def at_rest(
    reference: Opener, follower: Opener, *, deadline: float, progress: Progress = silent
) -> Iterator[Coordinates]:
    """Stop both at the same coordinates for the length of a ``with`` block; afterwards, whatever happened, both go on.

    The follower stops first and waits for the reference to be ahead of it, so that it alone has to stop at given coordinates.

    Args:
        deadline: seconds that either may take to reach the other.

    Raises:
        NeedsHuman: one follows nobody, or replication fails.
        TimedOut: one did not get to where the other stands.
    """
    try:
        with reference() as ours, follower() as theirs:
            coordinates = _level(ours, theirs, deadline=deadline, progress=progress)
        yield coordinates
    except BaseException as cause:
        try:
            resume(reference, follower)
        except Exception as failure:  # noqa: BLE001 - both causes are raised, whatever they are
            raise BaseExceptionGroup(
                "the stand-still failed, and so did ending it", [cause, failure]
            ) from cause
        raise
    resume(reference, follower)


def resume(*openers: Opener) -> None:
    """Let each follow its source again; one that fails does not keep the others.

    Raises:
        MigrationError: the first that could not.
    """
    failures: list[MigrationError] = []
    for opener in openers:
        # A fresh session: one that has been idle for as long as a verification lasts may have been cut.
        try:
            with opener() as session:
                channel.start(session)
        except MigrationError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _level(ours: Session, theirs: Session, *, deadline: float, progress: Progress) -> Coordinates:
    follower = channel.stop(theirs).executed
    _wait_for(ours, follower, deadline=deadline, progress=progress)
    reference = channel.stop(ours).executed
    for _ in range(_ROUNDS):
        if reference == follower:
            return reference
        # Coordinates between two transactions, such as the beginning of a file, may be passed by: then roles change.
        behind, goal = (theirs, reference) if follower < reference else (ours, follower)
        reached = channel.run_until(behind, goal, deadline=deadline, progress=progress).executed
        if behind is theirs:
            follower = reached
        else:
            reference = reached
    raise Retryable(
        f"they would not stop at the same coordinates: {reference} and {follower}",
        where=f"MySQL at {ours.endpoint} and {theirs.endpoint}",
        fix="Run `pulumi up` again",
        safe="Both replicate as before",
    )


def _wait_for(session: Session, coordinates: Coordinates, *, deadline: float, progress: Progress) -> None:
    """Wait until an instance that may be running or not has executed what the other has."""

    def look() -> channel.ReplicaStatus:
        found = channel.status(session)
        if found is None:
            raise NeedsHuman(
                "the instance follows nobody, though it should",
                where=f"MySQL at {session.endpoint}",
                fix="Run `pulumi refresh`, then `pulumi up`",
            )
        return found

    if look().executed >= coordinates:
        return
    channel.start(session)
    until(
        Wait(f"{session.endpoint} to execute {coordinates}", deadline=deadline, first=0.05, longest=5.0),
        look,
        done=lambda seen: seen.executed >= coordinates,
        failed=lambda seen: seen.failure(session.endpoint),
        describe=str,
        progress=progress,
    )
