"""Why replication fails: MySQL's error numbers, and what to do about each.

Numbers and texts are from "MySQL Server Error Message Reference". 8.0 and later show 1236 as 13114, and relay
log errors 1593 and 1594 as 13121 and 13122.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.mysql.session import Endpoint

__all__ = ["Follower", "diagnosis", "gave_up", "hopeless", "interrupted", "mended_by_attaching", "met_itself"]


class Follower(Enum):
    """Which instance follows which: the meaning of a replication error, and its fix, depend on it."""

    ENCRYPTED = "the encrypted instance follows the source"
    REPLICA = "the RDS-managed replica follows the source"
    OLD = "the old instance follows the encrypted one, which carries production"


_BEGIN_AGAIN = "run `pulumi destroy` in phase `replicate`, then `pulumi up`, which begins with a new snapshot"
_SAFE: Mapping[Follower, str] = {
    Follower.ENCRYPTED: "The source is not affected: it takes writes as before",
    Follower.REPLICA: "The source is not affected: it takes writes as before",
    Follower.OLD: "Production is not affected: the encrypted instance takes writes. A rollback is not possible until this is resolved",
}
_WITHOUT_ROLLBACK = (
    "Correct what MySQL objects to, if you can, then run `pulumi up` again. Otherwise the rollback path is lost:"
    " continue with phase `cleanup`"
)
"""After the cutover, production does not depend on the channel, and a new snapshot would not help."""
_MANAGED_ACCOUNT = (
    f"RDS manages the account of this replica: reboot the replica; if that does not help, {_BEGIN_AGAIN}"
)


@dataclass(frozen=True)
class _Advice:
    """The advice for one kind of error, recognized by number and text.

    Attributes:
        fix: the fix before the cutover.
        managed: the fix for an RDS-managed replica, if it differs.
    """

    numbers: frozenset[int]
    what: str
    fix: str
    text: str = ""
    managed: str = ""

    def covers(self, number: int, text: str) -> bool:
        return number in self.numbers and re.search(self.text, text, re.IGNORECASE) is not None


_PURGED = _Advice(
    frozenset({1236, 13114}),
    "the source has purged binlogs that this instance has not read yet",
    f"Raise `binlogRetentionHours`, {_BEGIN_AGAIN}",
    text="purged|could not find (the )?(first|next) log",
)
_INTERRUPTED = _Advice(
    frozenset({1593, 13117}),
    "the source's `max_execution_time` ended a query of the receiver",
    "Run `pulumi up` again, which starts replication again; if that happens often, raise `max_execution_time` on the source",
    text="maximum statement execution time exceeded",
    managed="Reboot the replica, which starts replication again; if that happens often, raise `max_execution_time` on the source",
)
_UNSENDABLE = _Advice(
    frozenset({1236, 13114, 13117}),
    "the source cannot send its binlog from this instance's coordinates",
    f"If the message mentions max_allowed_packet, raise it in the parameter groups of both; otherwise {_BEGIN_AGAIN}",
)
_RELAY_LOG = _Advice(
    frozenset({1593, 1594, 13121, 13122, 13123}),
    "its relay log cannot be read, so what it had fetched from the source is lost",
    "Run `pulumi refresh`, then `pulumi up`, which lets it fetch again what it has not executed",
    managed=f"Reboot the replica, which then fetches again what it has not executed; if that does not help, {_BEGIN_AGAIN}",
)
_ACCOUNT = _Advice(
    frozenset({1045, 1698}),
    "the source refuses the account that replication uses",
    "Run `pulumi refresh`, then `pulumi up`, which creates the account again with a new password",
    managed=_MANAGED_ACCOUNT,
)
_TLS = _Advice(
    frozenset({2026, 3159}),
    "the source and this instance cannot agree on TLS",
    "Give both the same certificate authority and TLS versions (parameter `tls_version`), then run `pulumi up` again",
)
_UNREACHABLE = _Advice(
    frozenset({1040, 1129, 1130, 1158, 1159, 1160, 1161, 2002, 2003, 2005, 2006, 2013, 3118, 3879}),
    "it could not connect to the source for so long that MySQL has given up",
    "Check that the source runs, and that its security group and account let this instance in; then run `pulumi up` again, which"
    " starts replication again",
    text="connecting to (source|master)",
    managed="Check that the source runs and that its security group lets the replica in, then reboot the replica",
)
_DUPLICATE = _Advice(
    frozenset({1062}),
    "this instance already has a row that the source has inserted: someone has written to this instance, or to the source with"
    " unique_checks=0",
    f"Find out who can write to a read-only server; its data can no longer be trusted: {_BEGIN_AGAIN}",
)
_MISSING = _Advice(
    frozenset({1032}),
    "this instance lacks a row that the source has changed: someone has written to this instance, or the table is a MEMORY table,"
    " which a restore or a reboot empties",
    f"Find out who can write to a read-only server; its data can no longer be trusted: {_BEGIN_AGAIN}",
)
_NO_TABLE = _Advice(
    frozenset({1146}),
    "this instance lacks a table that a change needs",
    "If that is an application's temporary table, set `binlog_format` to ROW in the source's parameter group and let applications"
    f" reconnect. Then {_BEGIN_AGAIN}",
)
_FULL = _Advice(
    frozenset({3, 28, 1021, 1114}),
    "its storage is full",
    "Give the instance more storage; when it is available again, run `pulumi up`, which continues from there",
)
_ALL: Sequence[_Advice] = (
    _PURGED,
    _INTERRUPTED,
    _UNSENDABLE,
    _RELAY_LOG,
    _ACCOUNT,
    _TLS,
    _UNREACHABLE,
    _DUPLICATE,
    _MISSING,
    _NO_TABLE,
    _FULL,
)
_RETRIED_FOREVER = (_ACCOUNT, _TLS)
"""MySQL keeps trying to connect although each attempt fails."""


def diagnosis(error: str, endpoint: Endpoint, follower: Follower = Follower.ENCRYPTED) -> ActionRequired:
    """Return what an error of a channel (``number: text``) means; ``endpoint`` is the follower's."""
    number, text = _parts(error)
    advice = next((entry for entry in _ALL if entry.covers(number, text)), None)
    what = advice.what if advice else "this instance cannot apply a change from the source"
    return ActionRequired(
        f"{what} ({number} {_brief(text)})",
        where=f"MySQL at {endpoint}",
        fix=_fix(advice, follower),
        safe=_SAFE[follower],
    )


def _fix(advice: _Advice | None, follower: Follower) -> str:
    if follower is Follower.OLD:
        return _WITHOUT_ROLLBACK
    if advice is None:
        return f"Read MySQL's message; if you cannot fix the cause, {_BEGIN_AGAIN}"
    return advice.managed if follower is Follower.REPLICA and advice.managed else advice.fix


def hopeless(error: str) -> bool:
    """Return whether MySQL retries something that cannot succeed until you act."""
    number, text = _parts(error)
    return any(advice.covers(number, text) for advice in _RETRIED_FOREVER)


def gave_up(error: str) -> bool:
    """Return whether starting the receiver again may be enough: its last attempt to connect failed, or the source ended one of its queries.

    From 8.4 on MySQL makes ten attempts, a minute apart, where it made 86,400 before (SOURCE_RETRY_COUNT in its manual).
    """
    number, text = _parts(error)
    return _UNREACHABLE.covers(number, text) or _INTERRUPTED.covers(number, text)


def interrupted(error: str) -> bool:
    """Return whether the source ended one of the queries with which a receiver begins; it may succeed at once when started again."""
    return _INTERRUPTED.covers(*_parts(error))


def mended_by_attaching(error: str) -> bool:
    """Return whether attaching the channel again at its coordinates fixes the error."""
    number, text = _parts(error)
    return any(advice.covers(number, text) for advice in (_ACCOUNT, _RELAY_LOG))


def met_itself(error: str) -> bool:
    """Return whether the receiver reached its own server: the name has moved, and this server's resolver does not know it yet.

    MySQL then stops the receiver ("equal MySQL server UUIDs", ER_SLAVE_FATAL_ERROR); starting it again later is enough.
    """
    return "equal MySQL server" in error


def _parts(error: str) -> tuple[int, str]:
    number, _, text = error.partition(": ")
    return (int(number), text) if number.isdigit() else (0, error)


def _brief(text: str) -> str:
    """Shorten a text of MySQL; the first sentences name the cause."""
    return text if len(text) <= 240 else text[:240].rsplit(" ", 1)[0] + " …"
