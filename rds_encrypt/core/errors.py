"""The errors of a migration, and what each asks of you.

MigrationError              what happened, where, what to do, what is safe now
├── Retryable               AWS or MySQL was not ready, or a call was lost; run the same step again
│   ├── TimedOut            a wait reached its deadline; the message has the last state
│   └── Cancelled           the run that started this step has ended; nothing waits for the result
├── ActionRequired          running again changes nothing until you act
│   ├── PreconditionFailed  the config or the instance is not fit for this migration; nothing was touched
│   ├── WriteRefused        the server is read-only; for a fence this is success
│   ├── AccountLocked       the account may not log in; for a fence this is success
│   ├── AnotherHost         the server at that address has another host's certificate
│   ├── AccountRefused      the server does not know the account, or knows another password
│   ├── ProcedureRefused    an RDS procedure refused, or reported an error after it acted: check its effect
│   └── SessionGone         the session to end has already ended
├── OutcomeUnknown          the connection died during a statement that may have taken effect: check, never repeat blindly
└── Bug                     a state that should be impossible; please report it
"""

from __future__ import annotations

__all__ = [
    "AccountLocked",
    "AccountRefused",
    "ActionRequired",
    "AnotherHost",
    "Bug",
    "Cancelled",
    "MigrationError",
    "OutcomeUnknown",
    "PreconditionFailed",
    "ProcedureRefused",
    "Retryable",
    "SessionGone",
    "TimedOut",
    "WriteRefused",
]


class MigrationError(Exception):
    """One failure, in the order a person needs it.

    Args:
        what: what happened, as a clause without a full stop.
        where: the instance, host, resource or setting concerned.
        fix: what to do about it, as an imperative sentence without a full stop.
        safe: what is safe now (writes, data, replication), when that is not obvious.
    """

    kind = "error"

    def __init__(self, what: str, *, where: str = "", fix: str = "", safe: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        self.safe = safe
        super().__init__(what)  # the fields travel in __dict__, so that errors can be copied and pickled

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        sentences = [head, self.fix, self.safe]
        return " ".join(f"{s.rstrip('.')}." for s in sentences if s)


class Retryable(MigrationError):
    """The same step may succeed when you run it again."""

    kind = "retry"


class TimedOut(Retryable):
    """A wait reached its deadline."""


class Cancelled(Retryable):
    """The run that started this step has ended."""


class ActionRequired(MigrationError):
    """You have to act before this can succeed."""

    kind = "action required"


class PreconditionFailed(ActionRequired):
    """The config or the instance is not fit for this migration; nothing was touched."""


class WriteRefused(ActionRequired):
    """The server refused a write because it is read-only."""


class AccountLocked(ActionRequired):
    """The server refused a login because the account is locked."""


class AnotherHost(ActionRequired):
    """The server that answers has another host's certificate; right after a rename, resolvers may still return the former host."""


class AccountRefused(ActionRequired):
    """The server does not know the account, or knows another password."""


class ProcedureRefused(ActionRequired):
    """An RDS procedure reported an error; it may have acted before."""


class SessionGone(ActionRequired):
    """The session with that number has already ended."""


class OutcomeUnknown(MigrationError):
    """A statement may or may not have taken effect; only the server's state can tell."""

    kind = "outcome unknown"


class Bug(MigrationError):
    """A state that should be impossible."""

    kind = "bug"
