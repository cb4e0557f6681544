"""How far a replica is behind its source, in seconds and bytes, and waits until it has caught up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.core.words import about
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.catch_up_progress import CatchUpProgress
from rds_encrypt.mysql.coordinates import Coordinates, bytes_between, current
from rds_encrypt.mysql.replica_status import ReplicaStatus
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session

__all__ = ["Lag", "catch_up", "drain", "measure", "tables_in_use"]

_SHORT_LAP = 30.0
"""A lap shorter than this many seconds means that the replica has caught up."""
_STUCK = 60.0
"""Seconds without progress after which the tables that the applier works on are shown."""


@dataclass(frozen=True)
class Lag:
    """How far a replica is behind, and its status at that moment."""

    status: ReplicaStatus
    source: Coordinates
    bytes: int

    def reached(self, target: Coordinates) -> bool:
        """Return whether the replica runs and has executed ``target``.

        Seconds behind source does not count: it is zero whenever the applier is idle, for any reason.
        """
        return self.status.running and self.status.executed >= target

    def __str__(self) -> str:
        return f"lag {self._seconds}, {self.bytes / 1e6:.2f} MB behind{self._trouble}"

    def in_a_row(self, rest: str) -> str:
        """Return a short form for one row of output, with ``rest`` at its end: the replication error first, then figures."""
        more = f", {rest}" if rest else ""
        return f"lag {self._seconds}{self._trouble}, {self.bytes / 1e6:.1f} MB{more}"

    @property
    def _seconds(self) -> str:
        return "unknown" if self.status.seconds_behind is None else f"{self.status.seconds_behind} s"

    @property
    def _trouble(self) -> str:
        return f", {self.status.error}" if self.status.error else ""


def measure(source: Session, replica: Session) -> Lag:
    """Check the source first, then the replica, so that the lag is overestimated at worst.

    Raises:
        ActionRequired: the replica follows no source.
    """
    written = current(source)
    status = channel.status(replica)
    if status is None:
        raise ActionRequired(
            "the instance follows no source, so it will never catch up",
            where=f"MySQL at {replica.endpoint}",
            fix="Run `pulumi refresh`, then `pulumi up`, to attach it again",
        )
    return Lag(status, written, bytes_between(source, status.executed))


def catch_up(
    source: Session,
    replica: Session,
    *,
    deadline: float,
    progress: Progress = silent,
    watch: Callable[[Lag], None] = lambda _lag: None,
) -> Coordinates:
    """Wait until the replica has executed everything that the source had written at one poll, and return those coordinates.

    The source keeps writing meanwhile, so laps repeat until one is short: then the replica is close enough for a drain.
    If the channel has given up connecting, this starts it again first. ``watch`` receives the result of each poll.

    Raises:
        ActionRequired: replication is broken.
        TimedOut: one lap took longer than ``deadline`` seconds.
    """
    channel.resume(replica, progress=progress)
    catch_up = CatchUpProgress(lambda since: bytes_between(source, since))
    stuck = _Stuck(replica)

    def described(lag: Lag) -> str:
        return lag.in_a_row(stuck.words(lag.status) or catch_up.words(lag.status.executed, lag.bytes))

    def look() -> Lag:
        lag = measure(source, replica)
        watch(lag)
        return lag

    while True:
        target, began = current(source), time.monotonic()
        until(
            Wait(
                f"{replica.endpoint} to catch up with {source.endpoint}",
                deadline=deadline,
                longest=5.0,
                advice="Give the encrypted instance more time, or reduce the write load; then run `pulumi up` again",
            ),
            look,
            done=lambda lag, target=target: lag.reached(target),  # type: ignore[misc] # bound per lap
            failed=lambda lag: lag.status.failure(replica.endpoint),
            describe=described,
            progress=progress,
        )
        if time.monotonic() - began < _SHORT_LAP:
            return target


class _Stuck:
    """Names the tables that an applier works on without progress: one large change to a table without a key can take hours."""

    def __init__(self, replica: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._replica = replica
        self._clock = clock
        self._at: Coordinates | None = None
        self._since = 0.0

    def words(self, status: ReplicaStatus) -> str:
        """Record a poll, and name the tables if the applier has made no progress for a while."""
        now = self._clock()
        if status.executed != self._at or not status.sql_running:
            self._at, self._since = status.executed, now
        seconds = now - self._since
        if seconds < _STUCK:
            return ""
        tables = tables_in_use(self._replica)
        return f"{about(seconds)} on one change to {', '.join(tables)}" if tables else ""


def tables_in_use(session: Session) -> list[str]:
    """Return the tables that a statement or an applier is working on; on a replica without other statements, the applier's."""
    rows = session.rows("SHOW OPEN TABLES WHERE In_use > 0")
    return sorted(
        f"{row['Database']}.{row['Table']}" for row in rows if row["Database"] not in SYSTEM_SCHEMAS
    )


def drain(replica: Session, final: Coordinates, *, deadline: float) -> Coordinates:
    """Wait until the replica has executed ``final``, the last coordinates of the fenced source.

    Raises:
        ActionRequired: replication is broken or absent.
        TimedOut: ``deadline`` seconds were not enough.
    """

    def executed() -> ReplicaStatus:
        status = channel.status(replica)
        if status is None:
            raise ActionRequired("the instance follows no source", where=f"MySQL at {replica.endpoint}")
        return status

    drained = until(
        Wait(f"{replica.endpoint} to execute {final}", deadline=deadline, first=0.05, longest=0.1),
        executed,
        done=lambda status: status.executed >= final,
        failed=lambda status: status.failure(replica.endpoint),
        describe=str,
    )
    return drained.executed
