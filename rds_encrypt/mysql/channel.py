"""The replication channel of an instance: look at it, stop it, start it, attach it to a source, detach it.

Every verb looks first, acts through RDS's procedures only if something is missing, and believes nothing but a second look: a procedure
may report an error although it has done what it was called for, or report nothing although it has not.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rds_encrypt.core.errors import (
    ActionRequired,
    MigrationError,
    OutcomeUnknown,
    PreconditionFailed,
    ProcedureRefused,
    Retryable,
    TimedOut,
)
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.mysql.accounts import OUR_USERS, REPLICATION_USER, REVERSE_USER
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.replication_errors import Follower, diagnosis, hopeless
from rds_encrypt.mysql.session import Credentials, Endpoint, Row, Session

__all__ = ["ReplicaStatus", "attach", "detach", "run_until", "start", "status", "stop", "stop_where_known"]

_SETTLE = 60.0
_CONNECT = 150.0
"""Seconds for a receiver to connect: MySQL tries again after 60, and RDS's procedure cannot change that."""
_AGENT = 5.0
"""Seconds after the server's start in which RDS's agent may start a channel that was stopped: mysqld itself does not."""
_ATTEMPTS = 2
"""How often a call is made that fails and leaves the state as it was."""
_CALLS = 6
"""How many calls one verb makes at most; beyond them it only waits."""
_READ_REPLICA = re.compile("read replica|disabled on this host", re.IGNORECASE)
_FIRST_WORKER_ERROR = """SELECT last_error_number AS number, last_error_message AS text
    FROM performance_schema.replication_applier_status_by_worker
    WHERE channel_name = '' AND last_error_number NOT IN (0, 3030)
    ORDER BY last_error_timestamp LIMIT 1"""
_FOLLOWERS = {REPLICATION_USER: Follower.ENCRYPTED, REVERSE_USER: Follower.OLD}


@dataclass(frozen=True)
class ReplicaStatus:
    """What SHOW REPLICA STATUS says, in words that do not depend on the version.

    ``seconds_behind`` is ``None`` while not replicating; zero proves nothing by itself.
    """

    source_host: str
    source_user: str
    source_uuid: str
    io_running: str
    sql_running: bool
    executed: Coordinates
    read: Coordinates
    seconds_behind: int | None
    io_error: str
    sql_error: str
    auto_position: bool
    until: bool = False
    """Whether the applier is to stop at given coordinates."""

    @property
    def follower(self) -> Follower:
        """Who follows whom, by the account that the channel uses."""
        return _FOLLOWERS.get(self.source_user, Follower.REPLICA)

    @property
    def ours(self) -> bool:
        """Whether this migration set the channel up; anybody else's is not ours to touch."""
        return self.source_user in OUR_USERS

    @property
    def running(self) -> bool:
        """Whether both threads run and the connection to the source stands."""
        return self.io_running == "Yes" and self.sql_running

    @property
    def stopped(self) -> bool:
        """Whether both threads have come to a halt."""
        return self.io_running == "No" and not self.sql_running

    @property
    def connecting(self) -> bool:
        """Whether the connection to the source is coming up, or up again, by itself."""
        return self.io_running not in {"Yes", "No"} and self.sql_running

    @property
    def error(self) -> str:
        """The error that keeps a thread from running, or an empty string."""
        return self.sql_error or self.io_error

    @property
    def fatal_error(self) -> str | None:
        """The error that a thread has given up on; one that it is still retrying does not count."""
        if self.sql_error and not self.sql_running:
            return self.sql_error
        return self.io_error if self.io_error and self.io_running == "No" else None

    def failure(self, endpoint: Endpoint) -> ActionRequired | None:
        """What keeps the instance at ``endpoint`` from following until somebody acts, if anything does."""
        error = self.fatal_error or (self.io_error if hopeless(self.io_error) else "")
        return diagnosis(error, endpoint, self.follower) if error else None

    def __str__(self) -> str:
        state = "running" if self.running else "stopped" if self.stopped else "connecting"
        return f"{state} at {self.executed}" + (f", error {self.error}" if self.error else "")


def status(session: Session) -> ReplicaStatus | None:
    """Return the status of the instance's channel, or ``None`` if it follows nobody."""
    words = dialect_of(session)
    row = session.row(words.replica_status)
    if row is None or not row[words.source_host]:
        return None
    lag = row[words.seconds_behind]
    return ReplicaStatus(
        source_host=row[words.source_host],
        source_user=row[words.source_user],
        source_uuid=row[words.source_uuid] or "",
        io_running=row[words.io_running],
        sql_running=row[words.sql_running] == "Yes",
        executed=Coordinates(row[words.executed_file] or "", int(row[words.executed_position] or 0)),
        read=Coordinates(row[words.read_file] or "", int(row[words.read_position] or 0)),
        seconds_behind=None if lag is None else int(lag),
        io_error=_error(row, "Last_IO_Errno", "Last_IO_Error"),
        sql_error=_worker_error(session, row) or _error(row, "Last_SQL_Errno", "Last_SQL_Error"),
        auto_position=bool(int(row["Auto_Position"])),
        until=row["Until_Condition"] != "None",
    )


def stop(session: Session) -> ReplicaStatus:
    """Stop both threads and return the status in which they stand still.

    Raises:
        ActionRequired: the instance follows nobody, or RDS refuses.
        TimedOut: a thread would not stop.
    """
    return _brought_about(
        session,
        Wait(f"replication to stop on {session.endpoint}", deadline=_SETTLE, first=0.05, longest=1.0),
        done=lambda seen: seen.stopped,
        missing=lambda _seen: _STOP,
    )


def stop_where_known(session: Session, *, progress: Progress = silent) -> ReplicaStatus:
    """Stop both threads once the replica knows the source's coordinates: until it has connected for the first time it knows none.

    Raises:
        ActionRequired: it cannot connect to its source; the error says why.
    """
    found = _required(session)
    if not found.executed.known:
        if found.stopped:
            start(session, progress=progress)
        try:
            until(
                Wait(f"{session.endpoint} to connect to its source", deadline=_CONNECT, longest=5.0),
                lambda: _required(session),
                done=lambda seen: seen.executed.known,
                failed=lambda seen: seen.failure(session.endpoint),
                describe=str,
                progress=progress,
            )
        except TimedOut as error:
            raise _never_connected(_required(session), session) from error
    stopped = stop(session)
    # Whoever stops it so soon after a start of the server may be undone: RDS's agent is still to resume replication.
    while (left := _AGENT - _uptime(session)) > 0:
        time.sleep(left)
        stopped = stop(session)
    if not stopped.executed.known:
        raise _never_connected(stopped, session)
    return stopped


def _uptime(session: Session) -> float:
    row = session.row("SHOW GLOBAL STATUS LIKE 'Uptime'")
    return float(row["Value"]) if row else math.inf


def _never_connected(seen: ReplicaStatus, session: Session) -> ActionRequired:
    return ActionRequired(
        f"the replica has not connected to its source {seen.source_host} yet, so it stands at no coordinates"
        f" ({seen.error or 'MySQL reports no error'})",
        where=f"MySQL at {session.endpoint}",
        fix="Check that the source accepts connections from the replica (security groups, TLS versions, `max_connections`), then run"
        " `pulumi up` again",
        safe="The source is not affected",
    )


def start(session: Session, *, progress: Progress = silent) -> ReplicaStatus:
    """Start both threads, without an end, and return the status in which they run.

    A channel that runs by half is stopped first, because RDS refuses to start it. So is a receiver that could not connect: it would try
    again only after MySQL's 60 seconds.

    Raises:
        ActionRequired: the instance follows nobody, a thread fails with an error, or RDS refuses.
        TimedOut: the connection to the source did not come up.
    """
    started = False

    def missing(seen: ReplicaStatus) -> _Call | None:
        nonlocal started
        if seen.stopped:
            started = True
            return _START
        if seen.until or not (seen.running or seen.connecting):
            return _STOP
        return _STOP if seen.io_error and not started else None

    return _brought_about(
        session,
        Wait(f"replication to run on {session.endpoint}", deadline=_CONNECT, first=0.05, longest=1.0),
        done=lambda seen: seen.running and not seen.until,
        missing=missing,
        # What is there before the first start is what that start is to mend.
        failed=lambda seen: seen.failure(session.endpoint) if started else None,
        progress=progress,
    )


def run_until(
    session: Session, coordinates: Coordinates, *, deadline: float, progress: Progress = silent
) -> ReplicaStatus:
    """Let a stopped instance execute everything up to ``coordinates``, and return the status in which it stands still there.

    It may be beyond them afterwards: if they lie between two transactions, or somebody else has started it meanwhile.

    Raises:
        ActionRequired: the instance follows nobody, replication fails, or RDS refuses, as it does with several appliers.
        TimedOut: it did not get there within ``deadline`` seconds.
    """
    ours = _Call("mysql.rds_start_replication_until", (coordinates.file, coordinates.position))

    started = False

    def missing(seen: ReplicaStatus) -> _Call | None:
        nonlocal started
        if seen.stopped:
            started = True
            return ours
        # RDS starts a channel again when it reboots an instance; one that runs without an end would run past the coordinates.
        return None if seen.until and (seen.running or seen.connecting) else _STOP

    _brought_about(
        session,
        Wait(f"{session.endpoint} to execute {coordinates}", deadline=deadline, first=0.05, longest=2.0),
        done=lambda seen: seen.executed >= coordinates,
        missing=missing,
        failed=lambda seen: seen.failure(session.endpoint) if started else None,
        progress=progress,
    )
    return stop(session)


def attach(
    session: Session,
    source: Endpoint,
    account: Credentials,
    coordinates: Coordinates,
    *,
    patience: float = 0.0,
    progress: Progress = silent,
) -> ReplicaStatus:
    """Make the instance follow ``source`` from ``coordinates`` on, over TLS, and return its status (not yet started by us).

    Args:
        patience: seconds to go on trying while RDS takes the instance for a read replica. One that was restored from a replica's
            snapshot may count as one for a while after it is available.

    Raises:
        PreconditionFailed: the instance follows somebody else.
        ActionRequired: RDS does not allow it an external source.
    """
    _require_free_for(session, source)
    call = _Call(
        dialect_of(session).set_external,
        (source.host, source.port, account.user, account.password, coordinates.file, coordinates.position, 1),
    )
    until(
        Wait(
            f"RDS to allow {session.endpoint} an external source",
            deadline=patience,
            first=2.0,
            longest=15.0,
            where=f"MySQL at {session.endpoint}",
            advice="Run `pulumi up` again once RDS has settled the instance; if that takes more than an hour, ask AWS support",
        ),
        lambda: _set_external(session, call, source, coordinates, patient=patience > 0),
        done=bool,
        describe=lambda _: "RDS still takes the instance for a read replica",
        progress=progress,
    )
    return _required(session)


def detach(session: Session) -> None:
    """Make the instance follow nobody; what it has executed stays. A channel that runs is stopped by RDS.

    Raises:
        ActionRequired: RDS refused.
    """
    left, said = status(session), ""
    for _ in range(_ATTEMPTS):
        if left is None:
            return
        tried = _tried(session, _Call(dialect_of(session).reset_external))
        left, said = status(session), tried.said
        if left is not None and tried.error is not None and not _worth_repeating(tried.error):
            raise tried.error
    if left is not None:
        raise ActionRequired(
            f"the instance still follows {left.source_host}; RDS said: {said}",
            where=f"MySQL at {session.endpoint}",
            fix=f"CALL {dialect_of(session).reset_external} by hand and look at its answer",
        )


# Procedures. Whatever one answers, only a look tells what has come of it: the state may have changed between our look and the call, RDS
# reports an error when a channel reaches its goal within two seconds, and a connection can be lost after the procedure has acted.


@dataclass(frozen=True)
class _Call:
    """A procedure and its arguments, which may hold a password."""

    procedure: str
    arguments: tuple[object, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class _Tried:
    """What a call came to: an error, or what RDS said."""

    error: MigrationError | None
    said: str


_STOP = _Call("mysql.rds_stop_replication")
_START = _Call("mysql.rds_start_replication")


def _worth_repeating(error: MigrationError) -> bool:
    """Whether the same call may succeed: the state it was refused in may have passed, or nothing is known of it."""
    return isinstance(error, ProcedureRefused | OutcomeUnknown | Retryable)


def _tried(session: Session, call: _Call) -> _Tried:
    """Call a procedure; afterwards the session can be used to look, even if the call cost the connection."""
    try:
        return _Tried(None, _said(session.call(call.procedure, *call.arguments)))
    except OutcomeUnknown as error:
        try:
            session.reconnect()
        except MigrationError:
            raise error from None
        return _Tried(error, error.what)
    except (ActionRequired, Retryable) as error:
        return _Tried(error, error.what)


def _brought_about(
    session: Session,
    wait: Wait,
    *,
    done: Callable[[ReplicaStatus], bool],
    missing: Callable[[ReplicaStatus], _Call | None],
    failed: Callable[[ReplicaStatus], MigrationError | None] = lambda _seen: None,
    progress: Progress = silent,
) -> ReplicaStatus:
    """Look, call what is missing, and look again, until ``done`` holds.

    A call that fails is believed only if the next look still misses the same; then it is repeated once, and its error is raised.

    Args:
        missing: the procedure that a state calls for; ``None`` if it only takes time.
        failed: the error that a state means, if no call will mend it.
    """
    calls, failures = 0, 0
    last: _Call | None = None
    error: MigrationError | None = None

    def needed(seen: ReplicaStatus) -> _Call | None:
        return None if done(seen) or failed(seen) is not None or calls >= _CALLS else missing(seen)

    def look() -> ReplicaStatus:
        nonlocal calls, failures, last, error
        seen = _required(session)
        while (call := needed(seen)) is not None:
            again = call == last
            if not again:
                failures, error = 0, None
            if error is not None and (failures >= _ATTEMPTS or not _worth_repeating(error)):
                raise error
            calls, last = calls + 1, call
            error = _tried(session, call).error
            failures = failures + 1 if error else 0
            seen = _required(session)
            if again or error is not None:
                break
        return seen

    return until(wait, look, done=done, failed=failed, describe=str, progress=progress)


def _set_external(
    session: Session, call: _Call, source: Endpoint, coordinates: Coordinates, *, patient: bool
) -> bool:
    """Set the external source; return false if RDS takes the instance for a read replica, which may pass."""
    error: MigrationError | None = None
    for _ in range(_ATTEMPTS):
        before = status(session)
        if before is not None and not before.stopped:
            stop(session)
        tried = _tried(session, call)
        error = tried.error
        after = status(session)
        # One that was attached here before may or may not have the new password: it is set again.
        fresh = error is None or not _follows(before, source, coordinates)
        if fresh and _follows(after, source, coordinates):
            return True
        if _READ_REPLICA.search(tried.said) and patient:
            return False
        if error is None or not _worth_repeating(error) or _READ_REPLICA.search(tried.said):
            error = ActionRequired(
                f"RDS did not set the external source; it said: {tried.said}",
                where=f"MySQL at {session.endpoint}",
                fix="Check that the instance is no RDS-managed replica",
            )
            break
    raise error or ActionRequired("RDS did not set the external source", where=f"MySQL at {session.endpoint}")


def _follows(seen: ReplicaStatus | None, source: Endpoint, coordinates: Coordinates) -> bool:
    """Whether the channel is attached there; RDS may have started it by itself, at a reboot for example."""
    if seen is None or seen.source_host != source.host:
        return False
    return seen.executed == coordinates or (not seen.stopped and seen.executed > coordinates)


def _require_free_for(session: Session, source: Endpoint) -> None:
    present = status(session)
    if present is not None and present.source_host != source.host:
        raise PreconditionFailed(
            f"the instance already follows {present.source_host}",
            where=f"MySQL at {session.endpoint}",
            fix=f"Find out who set that up, and CALL {dialect_of(session).reset_external} if it is not needed",
        )


def _required(session: Session) -> ReplicaStatus:
    found = status(session)
    if found is None:
        raise ActionRequired(
            "the instance follows nobody, though it should",
            where=f"MySQL at {session.endpoint}",
            fix="Somebody may have reset or promoted it: destroy the stack in phase `replicate` and start over",
        )
    return found


def _error(row: Row, number: str, text: str) -> str:
    return f"{row[number]}: {row[text]}" if int(row[number] or 0) else ""


def _worker_error(session: Session, row: Row) -> str:
    """Return the first error among parallel appliers, or an empty string.

    The status shows the latest one, which may be that of an applier that only stopped because another one had (3030,
    ER_SLAVE_WORKER_STOPPED_PREVIOUS_THD_ERROR). What follows the first semicolon may quote rows, and stays on the server.
    """
    if not int(row["Last_SQL_Errno"] or 0) or "worker" not in row["Last_SQL_Error"].lower():
        return ""
    try:
        first = session.row(_FIRST_WORKER_ERROR)
    except ActionRequired:
        return ""  # An account that may not read that table still learns what the status says.
    return f"{first['number']}: {first['text'].partition(';')[0]}" if first else ""


def _said(answer: list[Row]) -> str:
    return "; ".join(str(value) for row in answer for value in row.values()) or "nothing"
