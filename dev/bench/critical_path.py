"""What a run in `replicate` waited for: AWS, the AWS provider's polling, or us; from the calls and events of the sandbox.

The critical path is what the sandbox's time model charges for the requests that the run made one after the other: replica,
snapshot, copy, restore, and the changes that no restore takes. Three things come on top. The sandbox's own servers take a while to
start, which on AWS is part of AWS's time. The AWS provider looks at an instance every ten seconds and wants to see it `available`
three times, which AWS's time model imposes on whoever declares instances with it. The rest is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from dev.sandbox.rds.clock import TimeModel

__all__ = ["OURS", "Operation", "Procedure", "operations"]

OURS = "rds-encrypt"
"""What the user agent of the program's own calls contains."""
_PARTS: Mapping[str, tuple[str, ...]] = {
    "CreateDBInstanceReadReplica": ("replica",),
    "CreateDBSnapshot": ("snapshot",),
    "CopyDBSnapshot": ("copy",),
    "RestoreDBInstanceFromDBSnapshot": ("restore", "configure"),
    "ModifyDBInstance": ("notice", "modify"),
}
"""What the time model charges for each request of the procedure, by the names of its parts."""
_DONE: Mapping[str, str] = {
    "CreateDBInstanceReadReplica": "DB instance created",
    "CreateDBSnapshot": "Manual snapshot created",
    "CopyDBSnapshot": "Finished copy of snapshot",
    "RestoreDBInstanceFromDBSnapshot": "Restored from snapshot",
    "ModifyDBInstance": "Finished applying modification to the DB instance",
}
"""How the message of the event that ends each request begins."""
_BEGINS_BACKUPS = ("RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance")
_CONFIGURED = ("MonitoringInterval", "EnableCloudwatchLogsExports", "EnableIAMDatabaseAuthentication")
"""Settings that give a restored instance a state of its own before it is available."""
_TARGET = ("TargetDBSnapshotIdentifier", "DBSnapshotIdentifier", "DBInstanceIdentifier")


@dataclass(frozen=True)
class Operation:
    """One request of the procedure that takes AWS time; moments in seconds since the run began.

    Attributes:
        imposed: what the time model charges for it.
        asked: when it was made.
        done: when AWS was done.
        noticed: when the AWS provider had seen enough, and made its last call for it.
    """

    what: str
    imposed: float
    asked: float
    done: float
    noticed: float


@dataclass(frozen=True)
class Procedure:
    """A run in `replicate`, cut into what it waited for.

    Attributes:
        seconds: from the start of the command to its end.
        factor: how many seconds here stand for one second of the profile.
        operations: in the order of the procedure.
        calls: of AWS's API, by the program and the AWS provider, or by whoever else drove.
        own_calls: those of them that the program made.
    """

    seconds: float
    factor: float
    operations: Sequence[Operation]
    calls: int = 0
    own_calls: int = 0

    @property
    def imposed(self) -> float:
        """The critical path, in seconds here."""
        return sum(operation.imposed for operation in self.operations)

    @property
    def servers(self) -> float:
        """Seconds that operations took beyond what the model charges: the sandbox's servers, starting."""
        return sum(operation.done - operation.asked - operation.imposed for operation in self.operations)

    @property
    def polling(self) -> float:
        """Seconds from the end of each operation until the AWS provider went on, in seconds here."""
        return sum(operation.noticed - operation.done for operation in self.operations)

    @property
    def own(self) -> float:
        """Seconds that nothing else accounts for: the engine, the program, our steps."""
        return self.seconds - self.imposed - self.servers - self.polling

    @property
    def gaps(self) -> Sequence[tuple[str, float]]:
        """Our own seconds, by where they were spent: before the first request, between two, after the last."""
        first, last = self.operations[0], self.operations[-1]
        between = [(f"{a.what} → {b.what}", b.asked - a.noticed) for a, b in pairwise(self.operations)]
        return [
            (f"start → {first.what}", first.asked),
            *between,
            (f"{last.what} → end", self.seconds - last.noticed),
        ]

    # At the pace of the profile. What depends on the time model is stretched; what does not is not.

    @property
    def path_unscaled(self) -> float:
        """The critical path at factor 1."""
        return self.imposed / self.factor

    @property
    def polling_unscaled(self) -> float:
        """The AWS provider's polling at factor 1."""
        return self.polling / self.factor

    @property
    def seconds_unscaled(self) -> float:
        """The run at factor 1: path and polling stretched, servers and ours as they are."""
        return self.path_unscaled + self.polling_unscaled + self.servers + self.own

    @property
    def rate(self) -> float:
        """Calls in a minute at factor 1: there are as many looks at the profile's pace, each later."""
        return self.calls / self.seconds_unscaled * 60

    @property
    def own_rate(self) -> float:
        """Those that the program made."""
        return self.own_calls / self.seconds_unscaled * 60


def operations(
    calls: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    model: TimeModel,
    began: float,
    *,
    looks_once: bool = False,
) -> list[Operation]:
    """Find the procedure's operations in what the sandbox recorded while a command ran.

    Args:
        began: when the command did, as seconds of the wall clock.
        looks_once: whether whoever waits goes on at the first look that finds AWS done, as the AWS CLI's waiters do; the AWS
            provider goes on after the last of several.

    Raises:
        LookupError: an operation did not come to its end, so the record is not of a run that succeeded.
    """
    recorded = [(_moment(call["time"]) - began, call) for call in calls]
    history = sorted(((_moment(event["Date"]) - began, event) for event in events), key=lambda item: item[0])
    asked = [(at, call) for at, call in recorded if call["action"] in _DONE and call["error_code"] is None]
    finished = []
    for place, (at, call) in enumerate(asked):
        done = _end_of(at, call, history)
        until = asked[place + 1][0] if place + 1 < len(asked) else float("inf")
        looks = [when for when, request in recorded if done <= when < until and OURS not in request["agent"]]
        noticed = (min if looks_once else max)(looks, default=done)
        finished.append(Operation(call["action"], sum(map(model.seconds, _charged(call))), at, done, noticed))
    return finished


def _end_of(at: float, call: Mapping[str, Any], events: Iterable[tuple[float, Mapping[str, Any]]]) -> float:
    target = next(call["parameters"][key] for key in _TARGET if key in call["parameters"])
    for when, event in events:
        ends = event["SourceIdentifier"] == target and event["Message"].startswith(_DONE[call["action"]])
        if when >= at and ends:
            return when
    raise LookupError(f"{call['action']} of {target} has no end in the sandbox's events")


def _charged(call: Mapping[str, Any]) -> Sequence[str]:
    """Return the parts of the time model for a request; an instance restored from a replica's snapshot has no backups yet."""
    parts, given = _PARTS[call["action"]], call["parameters"]
    restored = call["action"] == "RestoreDBInstanceFromDBSnapshot"
    configured = [setting for setting in _CONFIGURED if restored and given.get(setting)]
    backup = call["action"] in _BEGINS_BACKUPS and given.get("BackupRetentionPeriod")
    return (*parts, *("configure" for _ in configured), *(["backup"] if backup else []))


def _moment(when: str | datetime) -> float:
    return (when if isinstance(when, datetime) else datetime.fromisoformat(when)).timestamp()
