"""The invariants of the design, as questions to the world after a trial; each answer is a list of what is wrong."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pymysql

from dev.workload.database import rows, value
from dev.workload.gtids import mismatches
from rds_encrypt.journal import Tag
from tests.chaos.stage import Direction, Stage
from tests.chaos.traffic import Ack

__all__ = [
    "accounting",
    "completed",
    "following",
    "one_writer",
    "safely_aborted",
    "same_gtids",
    "untouched",
]

_RESTORED = 30.0
"""Seconds in which a fence must be lifted, and replication run, once a run has failed before the names moved."""
_FOLLOWS = 90.0
"""Seconds in which the primary must have caught up with the candidate. MySQL itself waits 60 s between attempts
to connect."""
_TRANSIENT = {
    Tag.PROMOTED_AT,
    Tag.SERVER,
    Tag.FENCE_BEFORE,
    Tag.LOCKED_BEFORE,
    Tag.ROLLBACK_BEGAN,
    Tag.FENCE_NOTE,
    Tag.EVENTS,
}
_RUNNING = ("Replica_IO_Running", "Replica_SQL_Running", "Slave_IO_Running", "Slave_SQL_Running")


def one_writer(acks: Sequence[Ack], primary: str, candidate: str) -> list[str]:
    """1: once the candidate has taken a write, the primary takes none (`primary`, `candidate`: server_uuids)."""
    won = [ack for ack in acks if ack.server == candidate]
    if not won:
        return []
    first = min(won, key=lambda ack: ack.ended)
    late = [ack for ack in acks if ack.server == primary and ack.began > first.ended]
    if not late:
        return []
    seconds = max(ack.ended for ack in late) - first.ended
    breach = f"{len(late)} writes ({late[0].token} …) were taken by the primary up to {seconds:.3f} s after"
    return [f"invariant 1: {breach} the candidate had taken {first.token}"]


def accounting(acks: Iterable[Ack], present: Iterable[Mapping[str, Any]]) -> list[str]:
    """2: what was acknowledged is there, once; what was not may be there, but then as a whole transaction."""
    counts = {str(row["token"]): int(row["times"]) for row in present}
    wrong = []
    if lost := sorted(ack.token for ack in acks if ack.token not in counts):
        wrong.append(f"invariant 2: {len(lost)} acknowledged writes are lost ({', '.join(lost[:5])} …)")
    if twice := [token for token, times in counts.items() if times > 1]:
        wrong.append(f"invariant 2: {len(twice)} writes are there twice ({', '.join(twice[:5])} …)")
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for token in counts:
        batch, _, row = token.rpartition("-")
        sizes[batch][row] += 1
    if torn := [
        batch
        for batch, parts in sizes.items()
        if len(parts) not in {1, 3} or (len(parts) == 1 and "0" not in parts)
    ]:
        wrong.append(f"invariant 2: {len(torn)} transactions are torn ({', '.join(torn[:5])} …)")
    return wrong


def safely_aborted(stage: Stage, direction: Direction, since: float) -> list[str]:
    """3: the names have not moved, so the application writes and the other instance follows."""
    wrong = []
    if not stage.traffic.wait_for(stage.servers[direction.primary], since, _RESTORED):
        wrong.append(f"invariant 3: {_RESTORED:.0f} s after the abort the application still cannot write")
    if trouble := _eventually(lambda: following(stage, direction.candidate), _RESTORED):
        wrong.append(f"invariant 3: {_RESTORED:.0f} s after the abort replication does not run ({trouble})")
    return wrong


def same_gtids(stage: Stage) -> list[str]:
    """With GTIDs, both have executed the same transactions."""
    direction = stage.direction
    with stage.connected(direction.primary) as primary, stage.connected(direction.candidate) as candidate:
        return mismatches(primary, candidate, _FOLLOWS)


def untouched(stage: Stage) -> list[str]:
    """5: the bystander is as it was."""
    now = stage.bystander_now()
    return [
        f"invariant 5: {key} of the bystander was {before!r} and is {now.get(key)!r}"
        for key, before in stage.bystander.items()
        if now.get(key) != before
    ]


def completed(stage: Stage, direction: Direction) -> list[str]:
    """The end of a cutover: who has the name, who takes writes, who follows whom, what is left of the journal."""
    wrong = []
    in_place = stage.strategy != "rename"
    if not stage.has_applications(direction.candidate):
        wrong.append("the applications do not find the candidate")
    # One that was killed at the very end may only just be coming back.
    for identity in (direction.candidate, direction.primary):
        if trouble := _eventually(lambda identity=identity: _unreachable(stage, identity), _RESTORED):  # type: ignore[misc]
            return [*wrong, f"{_RESTORED:.0f} s after the end an instance cannot be reached: {trouble}"]
    began = time.monotonic()
    if not stage.traffic.wait_for(stage.servers[direction.candidate], began, _RESTORED):
        wrong.append(f"{_RESTORED:.0f} s after the end the candidate has taken no write")
    with stage.connected(direction.primary) as primary, stage.connected(direction.candidate) as candidate:
        if int(value(primary, "SELECT @@GLOBAL.read_only")) != 1:
            wrong.append("invariant 1: the primary is not read-only at the end")
        schedulers = [
            str(value(connection, "SELECT @@GLOBAL.event_scheduler")) for connection in (primary, candidate)
        ]
        # Strategies that keep both names leave the primary its group, where events go on and fail on read_only.
        if schedulers != ["ON" if in_place else "OFF", "ON"]:
            wrong.append(
                f"event_scheduler is {schedulers[0]} on the primary, {schedulers[1]} on the candidate"
            )
        events = rows(
            candidate, "SELECT status AS status FROM information_schema.events WHERE event_name = 'heartbeat'"
        )
        if [row["status"] for row in events] != [stage.event]:
            wrong.append(f"the event is {events} on the candidate")
    # In place, the primary's own group is its fence, and this says what to restore.
    transient = _TRANSIENT - {Tag.FENCE_BEFORE} if in_place else _TRANSIENT
    if left := {**stage.tags(direction.candidate), **stage.tags(direction.primary)}.keys() & transient:
        wrong.append(f"tags are left: {', '.join(sorted(left))}")
    if trouble := _eventually(lambda: following(stage, direction.primary), _FOLLOWS):
        wrong.append(f"the rollback path is closed: {trouble}")
    return wrong


def following(stage: Stage, resource_id: str) -> str:
    """Return what keeps an instance from following the other, or nothing."""
    try:
        with stage.connected(resource_id) as connection:
            statuses = rows(connection, "SHOW SLAVE STATUS")
    except (pymysql.err.MySQLError, OSError) as error:
        return str(error)
    if not statuses:
        return "it follows nobody"
    status = statuses[0]
    threads = [str(status[column]) for column in _RUNNING if column in status]
    if threads == ["Yes", "Yes"]:
        return ""
    return f"{'/'.join(threads)} {status['Last_IO_Error']} {status['Last_SQL_Error']}".strip()


def _unreachable(stage: Stage, resource_id: str) -> str:
    try:
        with stage.connected(resource_id):
            return ""
    except (pymysql.err.MySQLError, OSError) as error:
        return str(error)


def _eventually(look: Callable[[], str], seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while (trouble := look()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return trouble
