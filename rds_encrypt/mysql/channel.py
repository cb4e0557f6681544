"""The replication channel of an instance: check it, stop it, start it, attach it to a source, detach it.

Each function checks the status first, calls RDS's procedures only if something is missing, and trusts only a second check: a procedure
may report an error although it has done its work, or report nothing although it has not.
"""

from __future__ import annotations

import math
import re
import time

from rds_encrypt.core.errors import ActionRequired, MigrationError, PreconditionFailed, TimedOut
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.procedures import ATTEMPTS, Call, attempt, brought_about, worth_repeating
from rds_encrypt.mysql.replica_status import ReplicaStatus, required_status, status
from rds_encrypt.mysql.replication_errors import interrupted
from rds_encrypt.mysql.session import Credentials, Endpoint, Session

__all__ = ["attach", "detach", "resume", "run_until", "start", "status", "stop", "stop_for_snapshot"]

_SETTLE = 60.0
_CONNECT = 150.0
"""Seconds for a receiver to connect: MySQL retries after 60, and RDS's procedure cannot change that."""
_AGENT = 5.0
"""Seconds after the server's start in which RDS's agent may start a channel that was stopped: mysqld itself does not."""
_TEMPORARY = 1800.0
"""Seconds to wait for a moment without a replicated temporary table."""
_POLL = 0.2
_READ_REPLICA = re.compile("read replica|disabled on this host", re.IGNORECASE)
_STOP = Call("mysql.rds_stop_replication")
_START = Call("mysql.rds_start_replication")


def stop(session: Session) -> ReplicaStatus:
    """Stop both threads and return the status of the stopped channel.

    Raises:
        ActionRequired: the instance follows no source, or RDS refuses.
        TimedOut: a thread would not stop.
    """
    return brought_about(
        session,
        Wait(f"replication to stop on {session.endpoint}", deadline=_SETTLE, first=0.05, longest=1.0),
        done=lambda state: state.stopped,
        missing=lambda _: _STOP,
    )


def stop_for_snapshot(session: Session, *, progress: Progress = silent) -> ReplicaStatus:
    """Stop both threads where a snapshot of the replica can replace it: at coordinates it knows, with no temporary table open.

    A replica knows coordinates of its source after a first connection. An applier's temporary tables are lost with its server, so
    the copy would fail at the next statement that needs them. Source: "Replication and Temporary Tables", MySQL Reference Manual.

    Raises:
        ActionRequired: it cannot connect to its source, or cannot apply a change; or temporary tables are always open.
    """
    before = required_status(session)
    if not before.executed.known:
        if before.stopped:
            start(session, progress=progress)
        _await_coordinates(session, progress)
    if before.sql_error and not before.sql_running:
        start(session, progress=progress)  # the copy would meet that change too
    give_up_at = time.monotonic() + _TEMPORARY
    stopped = _stopped_for_good(session)
    while count := _temporary_tables(session):
        start(session, progress=progress)
        if time.monotonic() > give_up_at:
            raise _always_temporary_tables(count, session)
        progress(
            f"waiting for a moment without temporary tables on {session.endpoint}, which a snapshot would lose ({count} open)"
        )
        while _temporary_tables(session) and time.monotonic() < give_up_at:
            time.sleep(_POLL)
        stopped = _stopped_for_good(session)
    if not stopped.executed.known:
        raise _never_connected(stopped, session)
    if stopped.sql_error and (failure := stopped.failure(session.endpoint)):
        raise failure
    return stopped


def _await_coordinates(session: Session, progress: Progress) -> None:
    try:
        until(
            Wait(f"{session.endpoint} to connect to its source", deadline=_CONNECT, longest=5.0),
            lambda: required_status(session),
            done=lambda state: state.executed.known,
            failed=lambda state: state.failure(session.endpoint),
            describe=str,
            progress=progress,
        )
    except TimedOut as error:
        raise _never_connected(required_status(session), session) from error


def _stopped_for_good(session: Session) -> ReplicaStatus:
    """Stop both threads; soon after the server's start, RDS's agent may start a channel that was just stopped."""
    stopped = stop(session)
    while (left := _AGENT - _uptime(session)) > 0:
        time.sleep(left)
        stopped = stop(session)
    return stopped


def _always_temporary_tables(count: int, session: Session) -> ActionRequired:
    return ActionRequired(
        f"applications always have temporary tables open ({count} now), and a snapshot of the replica would lose them: with its"
        " binlog_format, MySQL replicates them",
        where=f"MySQL at {session.endpoint}",
        fix="Set `binlog_format` to ROW in the source's parameter group and let applications reconnect, or end the sessions that keep"
        " temporary tables; then run `pulumi up` again",
        safe="Replication goes on",
    )


def _temporary_tables(session: Session) -> int:
    """Return how many temporary tables of the source's sessions the applier has open."""
    rows = session.rows(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Slave_open_temp_tables', 'Replica_open_temp_tables')"
    )
    return max((int(row["Value"]) for row in rows), default=0)


def _uptime(session: Session) -> float:
    row = session.row("SHOW GLOBAL STATUS LIKE 'Uptime'")
    return float(row["Value"]) if row else math.inf


def _never_connected(state: ReplicaStatus, session: Session) -> ActionRequired:
    return ActionRequired(
        f"the replica has not connected to its source {state.source_host} yet, so it has no coordinates"
        f" ({state.error or 'MySQL reports no error'})",
        where=f"MySQL at {session.endpoint}",
        fix="Check that the source accepts connections from the replica (security groups, TLS versions, `max_connections`), then run"
        " `pulumi up` again",
        safe="The source is not affected",
    )


def start(session: Session, *, progress: Progress = silent) -> ReplicaStatus:
    """Start both threads, without end coordinates, and return the status of the running channel.

    RDS refuses to start a channel of which one thread runs, so that is stopped first. So is a receiver that could not connect, which
    would only retry after MySQL's 60 seconds.

    Raises:
        ActionRequired: the instance follows no source, a thread fails with an error, or RDS refuses.
        TimedOut: the connection to the source did not come up.
    """
    started = False

    def missing(state: ReplicaStatus) -> Call | None:
        nonlocal started
        if state.stopped:
            started = True
            return _START
        if state.until or not (state.running or state.connecting):
            return _STOP
        return _STOP if state.io_error and not started else None

    return brought_about(
        session,
        Wait(f"replication to run on {session.endpoint}", deadline=_CONNECT, first=0.05, longest=1.0),
        done=lambda state: state.running and not state.until,
        missing=missing,
        # The first start clears errors from before it.
        failed=lambda state: (
            state.failure(session.endpoint) if started and not interrupted(state.io_error) else None
        ),
        progress=progress,
    )


def resume(session: Session, *, progress: Progress = silent) -> None:
    """Start a channel of ours again whose receiver has given up connecting.

    Raises:
        TimedOut: it still cannot connect.
    """
    state = status(session)
    if state is not None and state.ours and state.gave_up:
        progress("starting replication again: MySQL had given up connecting to the source")
        start(session, progress=progress)


def run_until(
    session: Session, coordinates: Coordinates, *, deadline: float, progress: Progress = silent
) -> ReplicaStatus:
    """Let a stopped instance execute everything up to ``coordinates``, and return the status after it has stopped.

    It may stop beyond them, if they lie between two transactions or something else has started it meanwhile.

    Raises:
        ActionRequired: the instance follows no source, replication fails, or RDS refuses, as it does with several appliers.
        TimedOut: it did not get there within ``deadline`` seconds.
    """
    ours = Call("mysql.rds_start_replication_until", (coordinates.file, coordinates.position))

    started = False

    def missing(state: ReplicaStatus) -> Call | None:
        nonlocal started
        if state.stopped:
            started = True
            return ours
        # RDS starts a channel again when it reboots an instance; without end coordinates it would run past them.
        return None if state.until and (state.running or state.connecting) else _STOP

    brought_about(
        session,
        Wait(f"{session.endpoint} to execute {coordinates}", deadline=deadline, first=0.05, longest=2.0),
        done=lambda state: state.executed >= coordinates,
        missing=missing,
        failed=lambda state: (
            state.failure(session.endpoint) if started and not interrupted(state.io_error) else None
        ),
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
    """Make the instance follow ``source`` from ``coordinates`` on, over TLS, and return its status; rds-encrypt has not started it yet.

    Args:
        patience: seconds to keep trying while RDS treats the instance as a read replica, as it may for a while with one that was
            restored from a replica's snapshot.

    A stopped channel of RDS's own, which a replica's snapshot may hold, is overwritten.

    Raises:
        PreconditionFailed: the instance follows another source.
        ActionRequired: RDS does not allow an external source.
    """
    _require_free_for(session, source)
    call = Call(
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
            advice="Run `pulumi up` again later; if RDS still refuses after an hour, ask AWS support",
        ),
        lambda: _set_external(session, call, source, coordinates, patient=patience > 0),
        done=bool,
        describe=lambda _: "RDS still treats the instance as a read replica",
        progress=progress,
    )
    return required_status(session)


def detach(session: Session) -> None:
    """Remove the channel; what it has executed stays. RDS stops a running channel first.

    Raises:
        ActionRequired: RDS refused.
    """
    left, answer = status(session), ""
    for _ in range(ATTEMPTS):
        if left is None:
            return
        tried = attempt(session, Call(dialect_of(session).reset_external))
        left, answer = status(session), tried.answer
        if left is not None and tried.error is not None and not worth_repeating(tried.error):
            raise tried.error
    if left is not None:
        raise ActionRequired(
            f"the instance still follows {left.source_host}; RDS reported: {answer}",
            where=f"MySQL at {session.endpoint}",
            fix=f"CALL {dialect_of(session).reset_external} by hand and read its answer",
        )


def _set_external(
    session: Session, call: Call, source: Endpoint, coordinates: Coordinates, *, patient: bool
) -> bool:
    """Set the external source; return false if RDS treats the instance as a read replica, which may pass."""
    error: MigrationError | None = None
    for _ in range(ATTEMPTS):
        before = status(session)
        if before is not None and not before.stopped:
            stop(session)
        tried = attempt(session, call)
        error = tried.error
        after = status(session)
        # A channel attached to the same source before may lack the new password, so it is set again.
        fresh = error is None or not _follows(before, source, coordinates)
        if fresh and _follows(after, source, coordinates):
            return True
        if _READ_REPLICA.search(tried.answer) and patient:
            return False
        if error is None or not worth_repeating(error) or _READ_REPLICA.search(tried.answer):
            error = ActionRequired(
                f"RDS did not set the external source; it reported: {tried.answer}",
                where=f"MySQL at {session.endpoint}",
                fix="Check that the instance is not an RDS-managed replica",
            )
            break
    raise error or ActionRequired("RDS did not set the external source", where=f"MySQL at {session.endpoint}")


def _follows(state: ReplicaStatus | None, source: Endpoint, coordinates: Coordinates) -> bool:
    """Return whether the channel is attached there; RDS may have started it, for example in a reboot."""
    if state is None or state.source_host != source.host:
        return False
    return state.executed == coordinates or (not state.stopped and state.executed > coordinates)


def _require_free_for(session: Session, source: Endpoint) -> None:
    present = status(session)
    if present is not None and not present.of_rds and present.source_host != source.host:
        raise PreconditionFailed(
            f"the instance already follows {present.source_host}",
            where=f"MySQL at {session.endpoint}",
            fix=f"Find out who set that up, and CALL {dialect_of(session).reset_external} if it is not needed",
        )
