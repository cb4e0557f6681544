"""Calls RDS's replication procedures; the channel's status afterwards decides whether a call has worked.

A procedure's answer proves nothing: the state may change between check and call, RDS reports an error when a channel reaches its
goal within two seconds, and the connection may be lost after the procedure has acted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rds_encrypt.core.errors import (
    ActionRequired,
    MigrationError,
    OutcomeUnknown,
    ProcedureRefused,
    Retryable,
)
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.mysql.replica_status import ReplicaStatus, required_status
from rds_encrypt.mysql.session import Row, Session

__all__ = ["ATTEMPTS", "Call", "Tried", "attempt", "brought_about", "worth_repeating"]

ATTEMPTS = 2
"""How often to make a call that fails and leaves the state unchanged."""
_CALLS = 6
"""The most calls that one function of `channel` makes; after them it only waits."""


@dataclass(frozen=True)
class Call:
    """A procedure and its arguments, which may hold a password."""

    procedure: str
    arguments: tuple[object, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Tried:
    """The outcome of a call: an error, or what RDS reported."""

    error: MigrationError | None
    answer: str


def worth_repeating(error: MigrationError) -> bool:
    """Return whether the same call may succeed: the state that it was refused in may have passed, or its outcome is unknown."""
    return isinstance(error, ProcedureRefused | OutcomeUnknown | Retryable)


def attempt(session: Session, call: Call) -> Tried:
    """Call a procedure; afterwards the session is usable, even if the call lost the connection."""
    try:
        return Tried(None, _joined(session.call(call.procedure, *call.arguments)))
    except OutcomeUnknown as error:
        try:
            session.reconnect()
        except MigrationError:
            raise error from None
        return Tried(error, error.what)
    except (ActionRequired, Retryable) as error:
        return Tried(error, error.what)


def brought_about(
    session: Session,
    wait: Wait,
    *,
    done: Callable[[ReplicaStatus], bool],
    missing: Callable[[ReplicaStatus], Call | None],
    failed: Callable[[ReplicaStatus], MigrationError | None] = lambda _status: None,
    progress: Progress = silent,
) -> ReplicaStatus:
    """Check the status, call the missing procedure, and check again, until ``done`` holds.

    A failed call counts only if the next check still calls for the same procedure; then it is repeated once before its error is raised.

    Args:
        missing: the procedure that a state calls for; ``None`` if it only takes time.
        failed: the error that a state means, if no call can fix it.
    """
    calls, failures = 0, 0
    last: Call | None = None
    error: MigrationError | None = None

    def needed(status: ReplicaStatus) -> Call | None:
        return None if done(status) or failed(status) is not None or calls >= _CALLS else missing(status)

    def look() -> ReplicaStatus:
        nonlocal calls, failures, last, error
        status = required_status(session)
        while (call := needed(status)) is not None:
            again = call == last
            if not again:
                failures, error = 0, None
            if error is not None and (failures >= ATTEMPTS or not worth_repeating(error)):
                raise error
            calls, last = calls + 1, call
            error = attempt(session, call).error
            failures = failures + 1 if error else 0
            status = required_status(session)
            if again or error is not None:
                break
        return status

    return until(wait, look, done=done, failed=failed, describe=str, progress=progress)


def _joined(rows: list[Row]) -> str:
    return "; ".join(str(value) for row in rows for value in row.values()) or "nothing"
