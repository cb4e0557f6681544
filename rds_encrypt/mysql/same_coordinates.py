"""Stops two followers of one source at the same coordinates, where both must hold the same data."""

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
"""Opens a session on an instance; only one thread at a time may use it."""
Together = Callable[[Coordinates, Coordinates], bool]
"""Returns whether no change lies between two coordinates of the source."""

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
    """Stop both at the same coordinates for the length of a ``with`` block; afterwards both resume, even after an error.

    The follower stops first, and the reference runs until it is ahead, so only the follower has to stop at given coordinates. RDS does
    not let parallel appliers do that, and rds-encrypt may change only the follower's parameter group.

    Args:
        deadline: seconds that each may take to reach the other.
        sequential: gives the follower a single applier for the length of a ``with`` block.
        together: returns whether two different coordinates mean the same data. While nothing writes to the source, one follower may
            never reach the other's coordinates.

    Raises:
        ActionRequired: one follows no source, or replication fails.
        Retryable: one has moved before the block ended, for example after a reboot by RDS, so the block's results do not count.
        TimedOut: one did not reach the other's coordinates.
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
        except Exception as failure:  # noqa: BLE001 - both causes are raised
            raise BaseExceptionGroup(
                "an error occurred while both were stopped at the same coordinates, and resuming replication failed too",
                [cause, failure],
            ) from cause
        raise
    resume(reference, follower)


def resume(*openers: Opener) -> None:
    """Let each follow its source again; a failure does not stop the others.

    Raises:
        MigrationError: the first failure.
    """
    failures: list[MigrationError] = []
    for opener in openers:
        # A new session: one that was idle during a verification may have been disconnected.
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
    """Stop both, and return the coordinates of the reference and the follower."""

    def gone_on_to(goal: Coordinates) -> Coordinates:
        """Run the reference up to the coordinates or beyond and stop it, which closes the gaps that parallel appliers leave."""
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
            # The follower may run past coordinates between two transactions, such as the beginning of a file.
            reference = gone_on_to(follower)
    raise Retryable(
        f"they did not stop at the same coordinates: {reference} and {follower}",
        where=f"MySQL at {ours.endpoint} and {theirs.endpoint}",
        fix="Run `pulumi up` again",
        safe="Both replicate as before",
    )


def _require_still(places: Iterable[tuple[Opener, Coordinates]]) -> None:
    for opener, place in places:
        with opener() as session:
            status = channel.status(session)
        if status is None or not status.stopped or status.executed != place:
            raise Retryable(
                f"it should have been stopped at {place}, but it is {status or 'no longer a replica'}: it may have been rebooted",
                where=f"MySQL at {session.endpoint}",
                fix="Run `pulumi up` again: this comparison does not count",
                safe="The source is not affected",
            )


def _wait_for(
    session: Session, coordinates: Coordinates, *, deadline: float, together: Together, progress: Progress
) -> None:
    """Wait until an instance, which may be stopped, has executed everything that the other has."""

    def look() -> ReplicaStatus:
        status = channel.status(session)
        if status is None:
            raise ActionRequired(
                "the instance follows no source, though it should",
                where=f"MySQL at {session.endpoint}",
                fix="Run `pulumi refresh`, then `pulumi up`",
            )
        return status

    def there(status: ReplicaStatus) -> bool:
        return status.executed >= coordinates or (
            status.executed.known and together(status.executed, coordinates)
        )

    if there(look()):
        return
    channel.start(session)
    until(
        Wait(f"{session.endpoint} to execute {coordinates}", deadline=deadline, first=0.05, longest=5.0),
        look,
        done=there,
        failed=lambda status: status.failure(session.endpoint),
        describe=str,
        progress=progress,
    )
