"""Changes that RDS refuses for a while, or accepts although its answer is an error: when to send them, and when to repeat them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import botocore.exceptions

from rds_encrypt.aws.errors import code_of
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.core.waiting import stop_if_orphaned

__all__ = ["MODIFIED_IN", "RETIRED", "SERVING", "USABLE", "Attempts", "busy", "has", "insist", "name_taken"]

USABLE = frozenset({"available", "storage-optimization", "storage-initialization"})
"""Statuses in which an instance is fully operational: in the last two only its storage is busy, sometimes for hours.

Source: "Viewing DB instance status" in the Amazon RDS User Guide.
"""

SERVING = USABLE | {"backing-up"}
"""Statuses in which MySQL serves; during a backup, RDS does not accept changes to an instance."""

RETIRED = frozenset({"stopping", "stopped", "deleting"})
"""Statuses in which MySQL is down, or about to be, and stays so unless somebody starts the instance."""

MODIFIED_IN = USABLE | {"storage-full"}
"""Statuses in which RDS may accept changes: in ``storage-full`` it accepts more storage; AWS does not document the rest."""

_BUSY = frozenset({"InvalidDBInstanceState", "InvalidDBInstanceStateFault"})

_TAKEN = frozenset({"DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"})
"""Answers to a rename to a name that is still taken."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
_PATIENCE = 180.0
"""Seconds for which RDS may refuse changes to an instance in status ``available``, because of a management operation of its own.

Source: terraform-provider-aws #11905 and #27325.
"""

_SHOWN_AS: Mapping[str, str] = {"NewDBInstanceIdentifier": "DBInstanceIdentifier"}


class _Described(Protocol):
    @property
    def description(self) -> Mapping[str, Any]: ...

    @property
    def status(self) -> str: ...


T = TypeVar("T", bound=_Described)


def busy(error: MigrationError) -> bool:
    """Return whether AWS refused because of a temporary state."""
    cause = error.__cause__
    return isinstance(cause, botocore.exceptions.ClientError) and code_of(cause) in _BUSY


def name_taken(error: MigrationError) -> bool:
    """Return whether AWS refused a name because another instance still has it."""
    cause = error.__cause__
    return isinstance(cause, botocore.exceptions.ClientError) and code_of(cause) in _TAKEN


def has(description: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    """Return whether an instance has these changes of ModifyDBInstance, or AWS has accepted them; invisible ones count as missing."""
    return all(_has(description, name, value) for name, value in changes.items())


def _has(description: Mapping[str, Any], name: str, value: Any) -> bool:
    pending = description.get("PendingModifiedValues") or {}
    if name == "MasterUserPassword":
        return name in pending
    if name == "DBParameterGroupName":
        return value in {group[name] for group in description["DBParameterGroups"]}
    shown = _SHOWN_AS.get(name, name)
    return value in (description.get(shown), pending.get(shown))


def insist(
    what: str, look: Callable[[], T], send: Callable[[T], None], happened: Callable[[T], bool]
) -> None:
    """Send a request and repeat it while RDS is busy; after any error, check whether it took effect.

    Args:
        what: the purpose of the request, for the error when the run has ended meanwhile.
        look: describes the instance.
        send: sends the request.
        happened: returns whether the instance shows that RDS has accepted or carried out the request.

    Raises:
        Retryable: RDS was busy for minutes, or the instance is not in a usable status.
        ActionRequired: RDS refused for another reason.
    """
    attempts = Attempts()
    began = time.monotonic()
    while True:
        try:
            send(look())
        except MigrationError as error:
            now = look()
            if happened(now):
                return
            if not busy(error) or now.status not in USABLE or time.monotonic() - began > _PATIENCE:
                raise
        else:
            return
        stop_if_orphaned(what)
        time.sleep(attempts.refused())


@dataclass
class Attempts:
    """When to repeat a refused request: once the state has changed, otherwise after a growing pause."""

    pause: float = _FIRST_PAUSE
    _earliest: float = 0.0
    _state: object = None

    def due(self, state: object) -> bool:
        """Return whether to send the request in this state."""
        return state != self._state or time.monotonic() >= self._earliest

    def refused(self, state: object = None) -> float:
        """Record a refusal, and return how long to wait if the state does not change."""
        pause, self.pause = self.pause, min(self.pause * 2, _LONGEST_PAUSE)
        self._state, self._earliest = state, time.monotonic() + pause
        return pause
