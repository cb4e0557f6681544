"""The errors of a migration, and what each asks of whoever sees it.

MigrationError          what happened, where, what to do, what is safe now
├── Retryable           the world was not ready or a call was lost; running the same step again is right
│   ├── TimedOut        a wait reached its deadline; the last thing seen is in the message
│   └── Cancelled       the run that wanted this step has ended; nobody waits for the answer
├── ActionRequired          running again changes nothing until somebody acts
│   ├── PreconditionFailed         the input or the world is not fit for this migration (found before anything was touched)
│   ├── WriteRefused    the server is read-only; for a fence this is the good news
│   ├── AccountLocked   the account may not log in; for a fence this is the good news
│   ├── AnotherHost     a host answers at that address whose certificate is for another one
│   ├── AccountRefused  the account is unknown there, or its password another
│   ├── ProcedureRefused  a procedure of RDS refused, or reported an error after it acted: look at what has come of it
│   └── SessionGone     the session that was to be ended has ended by itself
├── OutcomeUnknown      the connection died during a statement that may have taken effect: look, never repeat blindly
└── Bug                 what we believed impossible; please report it
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
    """One failure, told in the order a person needs it.

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
    """The same step may succeed when it is run again."""

    kind = "retry"


class TimedOut(Retryable):
    """A wait reached its deadline."""


class Cancelled(Retryable):
    """The run that asked for this step is gone."""


class ActionRequired(MigrationError):
    """Somebody has to look or act before this can succeed."""

    kind = "action required"


class PreconditionFailed(ActionRequired):
    """The input or the world is not fit for this migration; nothing was touched."""


class WriteRefused(ActionRequired):
    """The server refused a write because it is read-only."""


class AccountLocked(ActionRequired):
    """The server refused a login because the account is locked."""


class AnotherHost(ActionRequired):
    """The certificate of the server that answers is for another host; right after a rename, resolvers may still know the former one."""


class AccountRefused(ActionRequired):
    """The server does not know the account, or knows another password."""


class ProcedureRefused(ActionRequired):
    """A procedure of RDS reported an error; it may have acted before it did."""


class SessionGone(ActionRequired):
    """There is no session of that number any more."""


class OutcomeUnknown(MigrationError):
    """A statement may or may not have taken effect; only a look at the server can tell."""

    kind = "outcome unknown"


class Bug(MigrationError):
    """A state that the program believed impossible."""

    kind = "bug"
