"""How far an instance is behind its source: in seconds, in bytes, and whether it has executed given coordinates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.catch_up_progress import CatchUpProgress
from rds_encrypt.mysql.coordinates import Coordinates, bytes_between, current
from rds_encrypt.mysql.replica_status import ReplicaStatus
from rds_encrypt.mysql.session import SYSTEM_SCHEMAS, Session

__all__ = ["Lag", "catch_up", "drain", "measure", "tables_in_use"]

_SHORT_LAP = 30.0
"""Seconds of a lap after which the replica counts as level with its source."""
_STUCK = 60.0
"""Seconds without progress after which it is worth a question what the applier works on."""


@dataclass(frozen=True)
class Lag:
    """How far behind a replica is, and the state it was found in."""

    status: ReplicaStatus
    source: Coordinates
    bytes: int

    def reached(self, target: Coordinates) -> bool:
        """Whether the replica runs and has executed ``target``.

        Seconds behind source is not asked: it is zero whenever the applier has nothing to do, for whatever reason.
        """
        return self.status.running and self.status.executed >= target

    def __str__(self) -> str:
        return f"lag {self._seconds}, {self.bytes / 1e6:.2f} MB behind{self._trouble}"

    def in_a_row(self, rest: str) -> str:
        """Return it with more words for the narrow end of a row: trouble first, then figures."""
        more = f", {rest}" if rest else ""
        return f"lag {self._seconds}{self._trouble}, {self.bytes / 1e6:.1f} MB{more}"

    @property
    def _seconds(self) -> str:
        return "unknown" if self.status.seconds_behind is None else f"{self.status.seconds_behind} s"

    @property
    def _trouble(self) -> str:
        return f", {self.status.error}" if self.status.error else ""


def measure(source: Session, replica: Session) -> Lag:
    """Look at the source first, then at the replica: it can only be further than this says.

    Raises:
        ActionRequired: the replica follows nobody.
    """
    written = current(source)
    status = channel.status(replica)
    if status is None:
        raise ActionRequired(
            "the instance follows nobody, so it will never catch up",
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
    """Wait until the replica has executed all that the source had written at one look, and return that.

    While the replica works on that, the source writes on; so another lap follows until one is short, which
    leaves the replica no further behind than a drain can make up for. ``watch`` is told of each look.

    Raises:
        ActionRequired: replication is broken.
        TimedOut: one lap took longer than ``deadline`` seconds.
    """
    catch_up = CatchUpProgress(lambda since: bytes_between(source, since))
    stuck = _Stuck(replica)

    def described(seen: Lag) -> str:
        return seen.in_a_row(stuck.words(seen.status) or catch_up.words(seen.status.executed, seen.bytes))

    def look() -> Lag:
        seen = measure(source, replica)
        watch(seen)
        return seen

    while True:
        target, began = current(source), time.monotonic()
        until(
            Wait(
                f"{replica.endpoint} to catch up with {source.endpoint}",
                deadline=deadline,
                longest=5.0,
                advice="Give the encrypted instance more time, or less to do; then run `pulumi up` again",
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
    """Says what an applier works on that makes no progress: one large change to a table without a key can take it hours."""

    def __init__(self, replica: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._replica = replica
        self._clock = clock
        self._at: Coordinates | None = None
        self._since = 0.0

    def words(self, seen: ReplicaStatus) -> str:
        """Take in a look, and name the tables if the applier has not come further for a while; else nothing."""
        now = self._clock()
        if seen.executed != self._at or not seen.sql_running:
            self._at, self._since = seen.executed, now
        seconds = now - self._since
        if seconds < _STUCK:
            return ""
        tables = tables_in_use(self._replica)
        return f"{seconds / 60:.0f} min on one change to {', '.join(tables)}" if tables else ""


def tables_in_use(session: Session) -> list[str]:
    """Return the tables that a statement, or an applier, works on right now; on an instance that only follows, the applier's."""
    rows = session.rows("SHOW OPEN TABLES WHERE In_use > 0")
    return sorted(
        f"{row['Database']}.{row['Table']}" for row in rows if row["Database"] not in SYSTEM_SCHEMAS
    )


def drain(replica: Session, final: Coordinates, *, deadline: float) -> Coordinates:
    """Wait until the replica has executed ``final``, the coordinates at which the fenced source stands still.

    Raises:
        ActionRequired: replication is broken or absent.
        TimedOut: ``deadline`` seconds were not enough.
    """

    def executed() -> ReplicaStatus:
        found = channel.status(replica)
        if found is None:
            raise ActionRequired("the instance follows nobody", where=f"MySQL at {replica.endpoint}")
        return found

    seen = until(
        Wait(f"{replica.endpoint} to execute {final}", deadline=deadline, first=0.05, longest=0.1),
        executed,
        done=lambda found: found.executed >= final,
        failed=lambda found: found.failure(replica.endpoint),
        describe=str,
    )
    return seen.executed
