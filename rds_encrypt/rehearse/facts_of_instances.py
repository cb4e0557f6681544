"""Judges of the facts about instances, snapshots and renames."""

from __future__ import annotations

from datetime import datetime, timedelta

from rds_encrypt.core.words import counted, duration
from rds_encrypt.rehearse import known
from rds_encrypt.rehearse.evidence import NOT_OBSERVED, Evidence, Verdict, verdict
from rds_encrypt.rehearse.measurements import initializing
from rds_encrypt.rehearse.operations import Operation

__all__ = [
    "creation",
    "first_backup",
    "initialization",
    "instance_statuses",
    "old_name",
    "rename_statuses",
    "rename_time",
    "snapshot_statuses",
]

_UNNOTICED = timedelta(seconds=120)
"""For how long an instance that is being renamed may still be shown as `available`."""


def instance_statuses(evidence: Evidence) -> Verdict:
    unknown: dict[tuple[str, str], list[float | None]] = {}
    for operation in evidence.measured.operations:
        where = f"during a {operation.kind} ({_way(operation)})"
        for passed in operation.statuses:
            if operation.kind not in {"snapshot", "copy"} and passed.status not in known.INSTANCE_STATUSES:
                unknown.setdefault((passed.status, where), []).append(passed.seconds)
    statuses = {
        str(observation["status"])
        for observation in evidence.of("instance")
        if observation["status"] is not None
    }
    return verdict(
        [f"`{status}`{_for(times)} {where}" for (status, where), times in unknown.items()],
        ", ".join(sorted(statuses)),
    )


def snapshot_statuses(evidence: Evidence) -> Verdict:
    statuses = {
        str(observation["status"])
        for observation in evidence.of("snapshot")
        if observation["status"] is not None
    }
    return verdict(
        [f"`{status}`" for status in sorted(statuses - known.SNAPSHOT_STATUSES)], ", ".join(sorted(statuses))
    )


def creation(evidence: Evidence) -> Verdict:
    created = [
        operation for kind in ("create", "replica", "restore") for operation in evidence.measured.of(kind)
    ]
    return verdict(
        [
            f"{operation.kind}: {_way(operation)}"
            for operation in created
            if set(_known(operation)) - known.CREATING
        ],
        "; ".join(dict.fromkeys(f"{operation.kind}: {_way(operation)}" for operation in created)),
    )


def first_backup(evidence: Evidence) -> Verdict:
    """A backup that a modification has caused may come later: that of the settings which a restore does not take."""
    different, summary = [], ""
    for restored in evidence.measured.of("restore"):
        following = next(
            (
                operation
                for operation in evidence.measured.operations
                if operation.id == restored.id and operation.began > restored.began
            ),
            None,
        )
        if "backing-up" in restored.names:
            summary = _way(restored)
        elif restored.ended is not None and following is not None and following.kind == "backup":
            different.append(f"{_way(restored)}, available, {_way(following)}")
    return verdict(different, summary)


def initialization(evidence: Evidence) -> Verdict:
    seconds = evidence.measured.hydration
    reported = any(map(initializing, evidence.of("instance")))
    return verdict([], (f"for {duration(seconds)}" if seconds is not None else "reported") * reported)


# Renames


def _renames(evidence: Evidence) -> list[Operation]:
    return [rename for rename in evidence.measured.of("rename") if rename.watched]


def rename_time(evidence: Evidence) -> Verdict:
    times = [_known_seconds(rename) for rename in _renames(evidence) if rename.seconds is not None]
    if not times:
        return NOT_OBSERVED
    summary = f"{counted(len(times), 'rename')}, {duration(min(times))} to {duration(max(times))}"
    return verdict([summary] if max(times) > evidence.limits.rename else [], summary)


def rename_statuses(evidence: Evidence) -> Verdict:
    renames = _renames(evidence)
    different = [_way(rename) for rename in renames if not _in_order(_known(rename))]
    return verdict(different, "; ".join(dict.fromkeys(_way(rename) for rename in renames)))


def _in_order(statuses: tuple[str, ...]) -> bool:
    if set(statuses) - set(known.RENAMING):
        return False
    places = [known.RENAMING.index(status) for status in statuses]
    return places == sorted(places)


def old_name(evidence: Evidence) -> Verdict:
    """Judge the renames that take the copy's name away; a client may see it before the status changes."""
    source = evidence.measured.source
    states = [
        (observation.at, observation["state"])
        for observation in evidence.of("name")
        if observation["identifier"] == source
    ]
    different, delays = [], []
    renames = _renames(evidence)
    for rename in renames:
        if rename.identifier != source or not states:
            continue
        late = _lateness(rename, renames, states)
        if late is None and (rename.seconds or 0.0) <= evidence.limits.old_name:
            continue  # another instance may have taken the name between two polls
        if late is None or late > evidence.limits.old_name:
            shown = "for good" if late is None else f"for {duration(late)}"
            different.append(f"the old name answered {shown} after the status had changed")
        else:
            delays.append(late)
    return verdict(
        different, f"{duration(max(delays))} after the status had changed, or less" if delays else ""
    )


def _lateness(
    rename: Operation, renames: list[Operation], states: list[tuple[datetime, str]]
) -> float | None:
    """Return how long after the change of status the old name stopped answering; ``None``: it did not, until it was taken."""
    before = [other.ended for other in renames if other.ended is not None and other.ended <= rename.began]
    earliest = max([rename.began - _UNNOTICED, *before])
    latest = rename.ended or datetime.max.replace(tzinfo=rename.began.tzinfo)
    closed = next((at for at, state in states if state != "open" and earliest <= at <= latest), None)
    return max((closed - rename.began).total_seconds(), 0.0) if closed is not None else None


def _known(operation: Operation) -> tuple[str, ...]:
    return tuple(status for status in operation.names if status in known.INSTANCE_STATUSES)


def _known_seconds(operation: Operation) -> float:
    unknown = [
        passed.seconds or 0.0 for passed in operation.statuses if passed.status not in known.INSTANCE_STATUSES
    ]
    return (operation.seconds or 0.0) - sum(unknown)


def _way(operation: Operation) -> str:
    return ", ".join(operation.names)


def _for(times: list[float | None]) -> str:
    seconds = [time for time in times if time is not None]
    longest = f" for {duration(max(seconds))}" if seconds else ""
    return longest if len(times) == 1 else f" {len(times)} times,{longest} at most,"
