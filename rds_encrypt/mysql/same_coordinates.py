"""Two followers of one source, at rest at the same of its coordinates: then they hold the same data, or one of them is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.replica_status import ReplicaStatus
from rds_encrypt.mysql.session import Session

__all__ = ["Opener", "resume", "stopped_at_same_coordinates"]

Opener = Callable[[], AbstractContextManager[Session]]
"""Opens one more session on an instance; each may be used by one thread at a time."""
Together = Callable[[Coordinates, Coordinates], bool]
"""Whether no change lies between two coordinates of the source."""

_ROUNDS = 5


@contextmanager
def stopped_at_same_coordinates(
    reference: Opener,
    follower: Opener,
    *,
    deadline: float,
    sequential: Callable[[], AbstractContextManager[None]] = nullcontext,
    together: Together = lambda _one, _other: False,
    progress: Progress = silent,
) -> Iterator[Coordinates]:
    """Stop both at the same coordinates for the length of a ``with`` block; afterwards, whatever happened, both go on.

    The follower stops first and the reference goes on until it is ahead, so that the follower alone ever has to stop at given
    coordinates. RDS does not let parallel appliers do that, and only the follower's parameter group is ours to change.

    Args:
        deadline: seconds that either may take to reach the other.
        sequential: gives the follower a single applier for the length of a ``with`` block.
        together: tells, of two coordinates that differ, whether they mean the same data. A source that nobody writes to never lets
            the one reach the other.

    Raises:
        ActionRequired: one follows nobody, or replication fails.
        Retryable: one has moved before the block ended, as after a reboot by RDS: what was seen in it means nothing.
        TimedOut: one did not get to where the other stands.
    """
    try:
        with reference() as ours, follower() as theirs:
            places = _level(
                ours,
                theirs,
                deadline=deadline,
                sequential=sequential,
                together=together,
                progress=progress,
            )
        yield max(places)
        _require_still(zip((reference, follower), places, strict=True))
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


def _level(
    ours: Session,
    theirs: Session,
    *,
    deadline: float,
    sequential: Callable[[], AbstractContextManager[None]],
    together: Together,
    progress: Progress,
) -> tuple[Coordinates, Coordinates]:
    """Stop both, and return where the reference and the follower stand."""

    def gone_on_to(goal: Coordinates) -> Coordinates:
        """Let the reference go on until it is there or beyond, and stop it: that closes the gaps that parallel appliers leave."""
        _wait_for(ours, goal, deadline=deadline, together=together, progress=progress)
        return channel.stop(ours).executed

    follower = channel.stop(theirs).executed
    reference = gone_on_to(follower)
    for _ in range(_ROUNDS):
        if reference == follower or together(reference, follower):
            return reference, follower
        if follower < reference:
            with sequential():
                follower = channel.run_until(theirs, reference, deadline=deadline, progress=progress).executed
        else:
            # Coordinates between two transactions, such as the beginning of a file, may be passed by.
            reference = gone_on_to(follower)
    raise Retryable(
        f"they would not stop at the same coordinates: {reference} and {follower}",
        where=f"MySQL at {ours.endpoint} and {theirs.endpoint}",
        fix="Run `pulumi up` again",
        safe="Both replicate as before",
    )


def _require_still(places: Iterable[tuple[Opener, Coordinates]]) -> None:
    for opener, place in places:
        with opener() as session:
            found = channel.status(session)
        if found is None or not found.stopped or found.executed != place:
            raise Retryable(
                f"it should have stood still at {place}, but it is {found or 'no replica any more'}: it may have been rebooted",
                where=f"MySQL at {session.endpoint}",
                fix="Run `pulumi up` again: what was compared meanwhile does not count",
                safe="The source is not affected",
            )


def _wait_for(
    session: Session, coordinates: Coordinates, *, deadline: float, together: Together, progress: Progress
) -> None:
    """Wait until an instance that may be running or not has executed what the other has."""

    def look() -> ReplicaStatus:
        found = channel.status(session)
        if found is None:
            raise ActionRequired(
                "the instance follows nobody, though it should",
                where=f"MySQL at {session.endpoint}",
                fix="Run `pulumi refresh`, then `pulumi up`",
            )
        return found

    def there(seen: ReplicaStatus) -> bool:
        return seen.executed >= coordinates or (seen.executed.known and together(seen.executed, coordinates))

    if there(look()):
        return
    channel.start(session)
    until(
        Wait(f"{session.endpoint} to execute {coordinates}", deadline=deadline, first=0.05, longest=5.0),
        look,
        done=there,
        failed=lambda seen: seen.failure(session.endpoint),
        describe=str,
        progress=progress,
    )
