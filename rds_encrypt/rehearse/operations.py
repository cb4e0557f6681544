"""The operations of AWS that a rehearsal saw: how long each took, and the statuses that the instance or snapshot went through.

They are as exact as the polls: an operation ends when a poll first sees its end. One that was under way while the rehearsal was
interrupted has no duration, because nothing watched it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from rds_encrypt.aws.changes import USABLE
from rds_encrypt.names import Names
from rds_encrypt.rehearse.observations import Kind as ObservationKind
from rds_encrypt.rehearse.observations import Observation

__all__ = ["Kind", "Operation", "Passed", "Window", "interruptions", "operations", "overlaps"]

Kind = Literal[
    "create", "replica", "restore", "rename", "reboot", "stop", "start", "change", "backup", "delete", "snapshot", "copy"
]  # fmt: skip
"""``create`` is the copy of the source; ``change`` any other modification, such as another parameter group."""
_SETTLED = USABLE | {"stopped"}
_BY_STATUS: tuple[tuple[str, Kind], ...] = (
    ("deleting", "delete"),
    ("renaming", "rename"),
    ("stopping", "stop"),
    ("starting", "start"),
    ("modifying", "change"),
    ("rebooting", "reboot"),
    ("backing-up", "backup"),
)
_BEGINNINGS = frozenset({"deleting", "renaming", "starting", "stopping"})
"""Statuses that begin an operation, even if no poll saw the end of the one before it."""
Window = tuple[datetime, datetime]


@dataclass(frozen=True)
class Passed:
    """A status, and for how long an instance was in it; ``None`` if its end was not seen."""

    status: str
    seconds: float | None


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        id: the instance's DbiResourceId, or the snapshot's identifier.
        identifier: the name at its beginning.
        becomes: the name at its end, ``None`` once it is gone.
        began: when a poll first saw it.
        ended: when a poll first saw its end, if one did.
        statuses: those in between, in order.
        gib: the size of the storage.
        watched: whether the rehearsal ran all the time.
    """

    kind: Kind
    id: str
    identifier: str
    becomes: str | None
    began: datetime
    ended: datetime | None
    statuses: tuple[Passed, ...]
    gib: int | None = None
    watched: bool = True

    @property
    def seconds(self) -> float | None:
        """Its duration, if the rehearsal saw all of it."""
        return None if self.ended is None or not self.watched else (self.ended - self.began).total_seconds()

    @property
    def names(self) -> tuple[str, ...]:
        """The statuses it went through."""
        return tuple(passed.status for passed in self.statuses)

    @property
    def gib_per_minute(self) -> float | None:
        """The storage it handled in a minute."""
        return self.gib / self.seconds * 60 if self.gib and self.seconds else None


def interruptions(observations: Sequence[Observation]) -> list[Window]:
    """Return when nothing was watched: from the last observation of a killed rehearsal until the resumed one repeats its move."""
    under_way: str | None = None
    last: datetime | None = None
    windows: list[Window] = []
    for observation in observations:
        if observation.kind == "move":
            begins = observation["event"] == "begin"
            if begins and under_way == observation["move"] and last is not None:
                windows.append((last, observation.at))
            under_way = observation["move"] if begins else None
        last = observation.at
    return windows


def operations(observations: Sequence[Observation], source: str) -> tuple[Operation, ...]:
    """Return all operations in the order in which they began.

    Args:
        source: the identifier of the copy that the rehearsal works on.
    """
    names, unwatched = Names(source), interruptions(observations)
    instances = _grouped(observations, "instance", lambda observation: str(observation["id"]))
    snapshots = _grouped(observations, "snapshot", lambda observation: str(observation["identifier"]))
    all_operations = [operation for rows in instances for operation in _of_instance(rows, names)]
    all_operations += [operation for rows in snapshots for operation in _of_snapshot(rows)]
    return tuple(
        replace(operation, watched=not overlaps(operation.began, operation.ended, unwatched))
        for operation in sorted(all_operations, key=lambda operation: operation.began)
    )


def overlaps(began: datetime, ended: datetime | None, windows: Sequence[Window]) -> bool:
    """Return whether a time, which may have no end, overlaps one of the windows."""
    return any((ended is None or start < ended) and began < end for start, end in windows)


def _grouped(
    rows: Iterable[Observation], kind: ObservationKind, key: Callable[[Observation], str]
) -> list[list[Observation]]:
    groups: dict[str, list[Observation]] = {}
    for row in rows:
        if row.kind == kind:
            groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _of_instance(rows: Sequence[Observation], names: Names) -> Iterator[Operation]:
    """Cut an instance's life into operations: each begins when it leaves a status in which it is settled."""
    under_way: list[Observation] = []
    before: Observation | None = None
    for row in rows:
        status = row["status"]
        settled = status is None or status in _SETTLED
        if under_way and (settled or (status in _BEGINNINGS and status != under_way[-1]["status"])):
            yield _operation(before, under_way, row, names)
            before, under_way = under_way[-1], []
        if settled:
            before = row
        else:
            under_way.append(row)
    if under_way:
        yield _operation(before, under_way, None, names)


def _operation(
    before: Observation | None, rows: list[Observation], end: Observation | None, names: Names
) -> Operation:
    first, statuses = rows[0], _passed(rows, end)
    # A description may show the new name as soon as the status is `renaming`.
    identifier = str((before or first)["identifier"])
    if before is None and first["status"] == "creating":
        kind = _created(identifier, names)
    else:
        passed_statuses = {passed.status for passed in statuses}
        kind = next((kind for status, kind in _BY_STATUS if status in passed_statuses), "change")
    return Operation(
        kind=kind,
        id=str(first["id"]),
        identifier=identifier,
        becomes=str(end["identifier"]) if end is not None and end["status"] is not None else None,
        began=first.at,
        ended=end.at if end is not None else None,
        statuses=statuses,
        gib=(end or first)["gib"] or first["gib"],
    )


def _created(identifier: str, names: Names) -> Kind:
    kinds: dict[str, Kind] = {names.replica: "replica", names.encrypted: "restore"}
    return kinds.get(identifier, "create")


def _of_snapshot(rows: Sequence[Observation]) -> Iterator[Operation]:
    """Return how a manual snapshot was made; AWS's automated ones are its own affair."""
    first = rows[0]
    end = next((row for row in rows if row["status"] == "available"), None)
    identifier = str(first["identifier"])
    if identifier.startswith("rds:") or first["status"] in {"available", None}:
        return
    making = [row for row in rows if end is None or row.at < end.at]
    final = identifier.endswith("-final")
    yield Operation(
        kind="copy" if (end or first)["encrypted"] and not final else "snapshot",
        id=identifier,
        identifier=identifier,
        becomes=identifier if end is not None else None,
        began=first.at,
        ended=end.at if end is not None else None,
        statuses=_passed(making, end),
        gib=(end or first)["gib"],
    )


def _passed(rows: Sequence[Observation], end: Observation | None) -> tuple[Passed, ...]:
    """Return each status once in a row, with its duration."""
    began: list[tuple[str, datetime]] = []
    for row in rows:
        if row["status"] is not None and (not began or began[-1][0] != row["status"]):
            began.append((str(row["status"]), row.at))
    ends = [at for _, at in began[1:]] + [end.at if end is not None else None]
    return tuple(
        Passed(status, (until - at).total_seconds() if until is not None else None)
        for (status, at), until in zip(began, ends, strict=True)
    )
