"""The replication channel: every verb looks first, acts only if something is missing, and trusts only a second look."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rds_encrypt.core.errors import ActionRequired, OutcomeUnknown, PreconditionFailed, ProcedureRefused
from rds_encrypt.mysql import channel, lag
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.replica_status import ReplicaStatus, filters
from rds_encrypt.mysql.session import Credentials, Endpoint, Row
from tests.unit.fakes import FakeSession, replica_row

STATUS = "SHOW REPLICA STATUS"
SOURCE = Endpoint("orders.example", 3306)
ACCOUNT = Credentials("rds_encrypt_replication", "hunter2")
STOPPED = {"Replica_IO_Running": "No", "Replica_SQL_Running": "No", "Seconds_Behind_Source": None}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", lambda _seconds: None)


def calls(session: FakeSession) -> list[str]:
    return [statement for statement, _ in session.sent if statement.startswith("CALL")]


class Server:
    """A replica's state, which procedures change; its status is made from it."""

    def __init__(self, *, row: Row | None) -> None:
        self.row = row
        self.session = FakeSession(
            {
                STATUS: lambda: [self.row] if self.row is not None else [],
                "CALL mysql.rds_stop_replication": lambda: self._set(**STOPPED),
                "CALL mysql.rds_start_replication": lambda: self._set(
                    Replica_IO_Running="Yes", Replica_SQL_Running="Yes", Seconds_Behind_Source=0
                ),
                "CALL mysql.rds_reset_external_master": self._reset,
            }
        )

    def _set(self, **changes: Any) -> list[Row]:
        self.row = {**(self.row or {}), **changes}
        return [{"Message": "done"}]

    def _reset(self) -> list[Row]:
        self.row = None
        return []


def test_status_is_told_in_words_that_do_not_depend_on_the_version() -> None:
    new = channel.status(FakeSession({STATUS: [replica_row()]}))
    old_row = {
        key.replace("Replica_", "Slave_").replace("Source", "Master"): value
        for key, value in replica_row().items()
    }
    old = channel.status(FakeSession({"SHOW SLAVE STATUS": [old_row]}, version=(5, 7, 22)))
    assert new == old
    assert new is not None
    assert new.running
    assert new.executed == Coordinates("b.000002", 400)


def test_the_filters_of_a_channel_are_those_that_rds_did_not_set() -> None:
    ours = {
        "Replicate_Ignore_Table": "mysql.rds_history,mysql.plugin,innodb_memcache.config_options,shop.audit",
        "Replicate_Do_DB": "",
    }
    session = FakeSession({STATUS: [replica_row(**ours)]})
    assert filters(session) == ("Replicate_Ignore_Table shop.audit",)
    assert filters(FakeSession({})) == ()


@pytest.mark.parametrize("rows", [[], [replica_row(Source_Host="")]])
def test_who_follows_nobody_has_no_status(rows: list[Row]) -> None:
    assert channel.status(FakeSession({STATUS: rows})) is None


@pytest.mark.parametrize(
    ("changes", "fatal"),
    [
        ({}, None),
        ({"Replica_IO_Running": "Connecting", "Last_IO_Errno": 2003, "Last_IO_Error": "no route"}, None),
        (
            {"Replica_IO_Running": "No", "Last_IO_Errno": 13114, "Last_IO_Error": "purged"},
            "13114: purged",
        ),
        (
            {"Replica_SQL_Running": "No", "Last_SQL_Errno": 1062, "Last_SQL_Error": "duplicate"},
            "1062: duplicate",
        ),
        (STOPPED, None),
    ],
)
def test_only_an_error_that_a_thread_has_given_up_on_is_fatal(
    changes: dict[str, Any], fatal: str | None
) -> None:
    status = channel.status(FakeSession({STATUS: [replica_row(**changes)]}))
    assert status is not None
    assert status.fatal_error == fatal


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        ({"Replica_IO_Running": "No", "Last_IO_Errno": 2003}, True),
        # It still tries on its own.
        ({"Replica_IO_Running": "Connecting", "Last_IO_Errno": 2003}, False),
        # Another reason, or somebody's decision.
        ({"Replica_IO_Running": "No", "Last_IO_Errno": 13114}, False),
        ({**STOPPED, "Last_IO_Errno": 2003}, False),
        # Not ours.
        ({"Replica_IO_Running": "No", "Last_IO_Errno": 2003, "Source_User": "rdsrepladmin"}, False),
        ({}, False),
    ],
)
def test_a_receiver_that_has_given_up_is_started_again(changes: dict[str, Any], *, started: bool) -> None:
    text = {"Last_IO_Error": "Error reconnecting to source 'u@h:3306'. This was attempt 10/10"}
    server = Server(row=replica_row(**(text if changes else {}), **changes))
    channel.resume(server.session)
    assert ("CALL mysql.rds_start_replication" in calls(server.session)) is started


def test_stop_stops_a_running_replica_once() -> None:
    server = Server(row=replica_row())
    assert channel.stop(server.session).stopped
    channel.stop(server.session)
    assert calls(server.session) == ["CALL mysql.rds_stop_replication"]


def test_start_starts_a_stopped_replica_once() -> None:
    server = Server(row=replica_row(**STOPPED))
    assert channel.start(server.session).running
    channel.start(server.session)
    assert calls(server.session) == ["CALL mysql.rds_start_replication"]


def test_a_receiver_whose_first_queries_the_source_ended_is_started_again() -> None:
    """Under a small max_execution_time; seen on MySQL 9.7.4, on a busy machine."""
    text = (
        "The replica I/O thread stops because a fatal error is encountered when it tried to SELECT @source_binlog_checksum."
        " Error: Query execution was interrupted, maximum statement execution time exceeded"
    )
    outcomes = [
        {
            "Replica_IO_Running": "No",
            "Replica_SQL_Running": "Yes",
            "Last_IO_Errno": 13117,
            "Last_IO_Error": text,
        },
        {
            "Replica_IO_Running": "Yes",
            "Replica_SQL_Running": "Yes",
            "Seconds_Behind_Source": 0,
            "Last_IO_Errno": 0,
            "Last_IO_Error": "",
        },
    ]
    server = Server(row=replica_row(**STOPPED))
    server.session.answers["CALL mysql.rds_start_replication"] = lambda: server._set(**outcomes.pop(0))
    assert channel.start(server.session).running
    assert calls(server.session) == [
        "CALL mysql.rds_start_replication",
        "CALL mysql.rds_stop_replication",
        "CALL mysql.rds_start_replication",
    ]


@pytest.mark.parametrize("verb", [channel.stop, channel.start])
def test_who_follows_nobody_can_be_neither_stopped_nor_started(verb: Any) -> None:
    with pytest.raises(ActionRequired, match="follows no source, though it should"):
        verb(Server(row=None).session)


def test_start_tells_the_error_that_keeps_it_from_running() -> None:
    broken = replica_row(**STOPPED, Last_SQL_Errno=1062, Last_SQL_Error="duplicate")
    with pytest.raises(
        ActionRequired, match=r"already has a row that the source has inserted.*\(1062 duplicate\)"
    ):
        channel.start(FakeSession({STATUS: [broken]}))


def test_the_error_of_the_applier_that_failed_first_is_told_and_not_that_others_stopped_after_it() -> None:
    """With replica_preserve_commit_order the status may name an applier that only waited for the failed one."""
    stopped = "Coordinator stopped because there were error(s) in the worker(s). The most recent failure being: Worker 2 …"
    failed = (
        "Worker 1 failed executing transaction 'ANONYMOUS'; Duplicate entry 'ann@example.com' for key 'email'"
    )
    broken = replica_row(**STOPPED, Last_SQL_Errno=3030, Last_SQL_Error=stopped)
    session = FakeSession({STATUS: [broken], "SELECT last_error_number": [{"number": 1062, "text": failed}]})

    with pytest.raises(
        ActionRequired,
        match=r"already has a row that the source has inserted.*\(1062 Worker 1 failed executing transaction 'ANONYMOUS'\)",
    ):
        channel.start(session)


def test_an_account_that_may_not_read_the_appliers_errors_is_told_the_latest_one() -> None:
    stopped = "Coordinator stopped because there were error(s) in the worker(s)."
    broken = replica_row(**STOPPED, Last_SQL_Errno=1062, Last_SQL_Error=stopped)
    denied = ActionRequired("SELECT command denied", where="MySQL at orders-encrypted")

    status = channel.status(FakeSession({STATUS: [broken], "SELECT last_error_number": denied}))

    assert status is not None
    assert status.sql_error == f"1062: {stopped}"


def test_a_refusal_that_comes_as_a_result_set_is_heard() -> None:
    """RDS does not let a managed replica have an external source, and says so in a row, not in an error."""
    session = FakeSession(
        {
            STATUS: [],
            "CALL mysql.rds_set_external_master": [
                {"Message": "rds_set_external_master is disabled on this host"}
            ],
        }
    )
    with pytest.raises(ActionRequired, match="is disabled on this host") as error:
        channel.attach(session, SOURCE, ACCOUNT, Coordinates("b.000002", 400))
    assert "hunter2" not in str(error.value)


def test_attach_refuses_to_take_an_instance_from_another_source() -> None:
    server = Server(row=replica_row(Source_Host="elsewhere.example"))
    with pytest.raises(PreconditionFailed, match=r"already follows elsewhere\.example"):
        channel.attach(server.session, SOURCE, ACCOUNT, Coordinates("b.000002", 400))
    assert calls(server.session) == []


def test_attach_wants_tls_and_the_coordinates_given() -> None:
    server = Server(row=None)
    server.session.answers["CALL mysql.rds_set_external_master"] = lambda: server._set(
        **replica_row(**STOPPED, Exec_Source_Log_Pos=400)
    )
    attached = channel.attach(server.session, SOURCE, ACCOUNT, Coordinates("b.000002", 400))
    assert attached.executed == Coordinates("b.000002", 400)
    (arguments,) = [sent for name, sent in server.session.sent if "set_external" in name]
    assert arguments == ("orders.example", 3306, ACCOUNT.user, "hunter2", "b.000002", 400, 1)


def test_detach_of_nobody_does_nothing_and_of_somebody_is_confirmed() -> None:
    server = Server(row=replica_row(**STOPPED))
    channel.detach(server.session)
    channel.detach(server.session)
    assert calls(server.session) == ["CALL mysql.rds_reset_external_master"]
    stubborn = FakeSession({STATUS: [replica_row()], "CALL": [{"Message": "no"}]})
    with pytest.raises(ActionRequired, match=r"still follows orders\.example; RDS reported: no"):
        channel.detach(stubborn)


def source_at(position: int) -> FakeSession:
    return FakeSession(
        {
            "SHOW MASTER STATUS": [{"File": "b.000002", "Position": position}],
            "SHOW BINARY LOGS": [{"Log_name": "b.000002", "File_size": position}],
        }
    )


@pytest.mark.parametrize(
    ("changes", "written", "level"),
    [
        ({}, 400, True),
        # No seconds behind, and yet behind: the applier has nothing to do because nothing has arrived.
        ({}, 900, False),
        ({"Seconds_Behind_Source": 3600}, 400, True),
        (STOPPED, 400, False),
        ({"Replica_IO_Running": "Connecting"}, 400, False),
    ],
)
def test_being_level_asks_for_coordinates_never_for_seconds(
    changes: dict[str, Any], written: int, *, level: bool
) -> None:
    measured = lag.measure(source_at(written), FakeSession({STATUS: [replica_row(**changes)]}))
    assert measured.reached(measured.source) is level
    assert measured.bytes == max(0, written - 400)


def test_lag_of_who_follows_nobody_is_an_error_not_zero() -> None:
    with pytest.raises(ActionRequired, match="follows no source, so it will never catch up"):
        lag.measure(source_at(400), FakeSession({STATUS: []}))


def test_a_drain_ends_at_the_final_coordinates_and_not_before() -> None:
    looks = iter([380, 390, 400])
    session = FakeSession({STATUS: lambda: [replica_row(Exec_Source_Log_Pos=next(looks))]})
    assert lag.drain(session, Coordinates("b.000002", 400), deadline=60) == Coordinates("b.000002", 400)


def test_a_drain_of_broken_replication_gives_up_at_once() -> None:
    broken = replica_row(Replica_SQL_Running="No", Last_SQL_Errno=1062, Last_SQL_Error="duplicate")
    with pytest.raises(
        ActionRequired, match=r"already has a row that the source has inserted.*\(1062 duplicate\)"
    ):
        lag.drain(FakeSession({STATUS: [broken]}), Coordinates("b.000002", 900), deadline=60)


def test_a_drain_gives_up_on_a_receiver_that_is_refused_each_time() -> None:
    """MySQL retries a refused account without end; a write outage has only seconds."""
    refused = replica_row(
        Replica_IO_Running="Connecting",
        Last_IO_Errno=1045,
        Last_IO_Error="Access denied",
        Source_User="rds_encrypt_reverse",
    )
    with pytest.raises(ActionRequired, match="refuses the account") as caught:
        lag.drain(FakeSession({STATUS: [refused]}), Coordinates("b.000002", 900), deadline=60)
    assert "phase `cleanup`" in caught.value.fix


def test_catching_up_ends_though_the_source_writes_on() -> None:
    """It waits for what one look at the source has seen, not for a target that moves."""
    written, executed = itertools.count(400, 100), itertools.count(350, 100)
    source = FakeSession(
        {
            "SHOW MASTER STATUS": lambda: [{"File": "b.000002", "Position": next(written)}],
            "SHOW BINARY LOGS": [],
        }
    )
    replica = FakeSession({STATUS: lambda: [replica_row(Exec_Source_Log_Pos=next(executed))]})
    assert lag.catch_up(source, replica, deadline=60) == Coordinates("b.000002", 400)


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        ({"Replica_IO_Running": "Connecting"}, []),
        (
            {"Replica_IO_Running": "No"},
            ["CALL mysql.rds_stop_replication", "CALL mysql.rds_start_replication"],
        ),
        (
            {"Replica_SQL_Running": "No"},
            ["CALL mysql.rds_stop_replication", "CALL mysql.rds_start_replication"],
        ),
    ],
)
def test_what_runs_by_half_is_stopped_first_unless_it_only_connects(
    state: dict[str, str], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(row=replica_row(**state))

    def connected(_seconds: float) -> None:
        server.row = replica_row()

    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", connected)
    assert channel.start(server.session).running
    assert calls(server.session) == sent


def test_a_start_that_rds_calls_an_error_is_explained_by_the_status() -> None:
    def refuse() -> list[Row]:
        server.row = replica_row(
            Replica_IO_Running="No", Last_IO_Errno=13114, Last_IO_Error="purged binary logs"
        )
        raise ActionRequired("MySQL answered 1644: Slave has encountered an error")

    server = Server(row=replica_row(**STOPPED))
    server.session.answers["CALL mysql.rds_start_replication"] = refuse
    with pytest.raises(ActionRequired, match="the source has purged binlogs"):
        channel.start(server.session)


class Rds:
    """A channel behind RDS's procedures, as a dump of an RDS 8.0 schema has them: they refuse by state, and report what they see after
    two seconds. ``meanwhile`` happens between the program's look and its next call.
    """

    REFUSED = ProcedureRefused("RDS's procedure reports an error (1644)")

    def __init__(
        self, io: str = "No", sql: str = "No", *, configured: bool = True, executed: int = 400
    ) -> None:
        self.io, self.sql, self.until, self.executed = io, sql, "None", executed
        self.configured = configured
        self.meanwhile: list[Callable[[], None]] = []
        self.io_error = ""
        self.io_starts_as = "Yes"
        self.refuses_source = 0
        self.session = FakeSession(
            {
                STATUS: self._status,
                "CALL mysql.rds_stop_replication": self._stop,
                "CALL mysql.rds_start_replication_until": self._start_until,
                "CALL mysql.rds_start_replication": self._start,
                "CALL mysql.rds_set_external_master": self._set,
                "CALL mysql.rds_reset_external_master": self._reset,
            }
        )

    @property
    def state(self) -> str:
        if not self.configured:
            return "NOT_EXIST"
        if (self.io, self.sql) == ("Yes", "Yes"):
            return "ON"
        return "OFF" if (self.io, self.sql) == ("No", "No") else "BROKEN"

    def agent_starts(self) -> None:
        self.io, self.sql, self.until = "Yes", "Yes", "None"

    def stops(self) -> None:
        self.io, self.sql = "No", "No"

    def forgotten(self) -> None:
        self.configured = False

    def _status(self) -> list[Row]:
        if not self.configured:
            return []
        return [
            replica_row(
                Replica_IO_Running=self.io,
                Replica_SQL_Running=self.sql,
                Until_Condition=self.until,
                Exec_Source_Log_Pos=self.executed,
                Last_IO_Errno=2003 if self.io_error else 0,
                Last_IO_Error=self.io_error,
            )
        ]

    def _called(self, *allowed: str) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if self.state not in allowed:
            raise self.REFUSED

    def _stop(self) -> list[Row]:
        self._called("ON", "BROKEN")
        self.stops()
        return []

    def _start(self) -> list[Row]:
        self._called("OFF")
        self.io, self.sql, self.until = self.io_starts_as, "Yes", "None"
        self.io_error = "" if self.io == "Yes" else "error connecting to source"
        if self.state != "ON":
            raise self.REFUSED
        return []

    def _start_until(self) -> list[Row]:
        self._called("OFF")
        self.until = "Source"
        self.io, self.sql, self.executed = "Yes", "No", 900
        raise self.REFUSED  # within the two seconds it got there, and its applier has stopped

    def _set(self) -> list[Row]:
        self._called("OFF", "NOT_EXIST")
        if self.refuses_source:
            self.refuses_source -= 1
            raise ProcedureRefused("Permission Denied: This instance is a RDS Read Replica.")
        self.configured, self.executed = True, 400
        return []

    def _reset(self) -> list[Row]:
        self._called("ON", "OFF", "BROKEN")
        self.stops()
        self.configured = False
        return []

    def lost(self) -> None:
        raise OutcomeUnknown("the connection was lost during a statement")


GOAL = Coordinates("b.000002", 900)


def test_a_goal_that_is_reached_within_the_procedure_is_reached() -> None:
    rds = Rds()
    assert channel.run_until(rds.session, GOAL, deadline=60).executed == GOAL
    assert calls(rds.session) == ["CALL mysql.rds_start_replication_until", "CALL mysql.rds_stop_replication"]


def test_a_stop_that_comes_too_late_has_nothing_to_do() -> None:
    rds = Rds("Yes", "Yes")
    rds.meanwhile = [rds.stops]
    assert channel.stop(rds.session).stopped


def test_a_start_that_finds_it_running_has_nothing_to_do() -> None:
    """RDS's agent starts a channel that was merely stopped when it reboots the instance."""
    rds = Rds()
    rds.meanwhile = [rds.agent_starts]
    assert channel.start(rds.session).running


def test_a_start_that_finds_it_broken_stops_it_first() -> None:
    rds = Rds()

    def half() -> None:
        rds.io, rds.sql = "No", "Yes"

    rds.meanwhile = [half]
    assert channel.start(rds.session).running
    assert calls(rds.session) == [
        "CALL mysql.rds_start_replication",
        "CALL mysql.rds_stop_replication",
        "CALL mysql.rds_start_replication",
    ]


def test_a_receiver_between_two_attempts_is_not_waited_for() -> None:
    """MySQL would try again after a minute; RDS refuses to start what is half started."""
    rds = Rds("Connecting", "Yes")
    rds.io_error = "error connecting to source"
    assert channel.start(rds.session).running
    assert calls(rds.session) == ["CALL mysql.rds_stop_replication", "CALL mysql.rds_start_replication"]


def test_a_receiver_that_connects_later_is_given_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rds = Rds()
    rds.io_starts_as = "Connecting"
    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", lambda _seconds: rds.agent_starts())
    assert channel.start(rds.session).running
    assert calls(rds.session) == ["CALL mysql.rds_start_replication"]


@pytest.mark.parametrize("verb", [channel.stop, channel.start])
@pytest.mark.parametrize("running", ["Yes", "No"])
def test_a_connection_that_is_lost_in_a_call_is_followed_by_a_look(verb: Any, running: str) -> None:
    rds = Rds(running, running)
    rds.meanwhile = [rds.lost]
    status = verb(rds.session)
    assert status.stopped if verb is channel.stop else status.running


def test_an_old_error_does_not_keep_it_from_being_tried() -> None:
    """An error stays in the status of a stopped channel until it is started again."""
    rds = Rds()
    rds.io_error = "lost connection"
    assert channel.run_until(rds.session, GOAL, deadline=60).executed == GOAL
    rds = Rds()
    rds.io_error = "lost connection"
    assert channel.start(rds.session).running


def test_a_channel_that_runs_without_an_end_is_stopped_before_it_runs_to_one() -> None:
    rds = Rds()
    rds.meanwhile = [rds.agent_starts]
    assert channel.run_until(rds.session, GOAL, deadline=60).executed == GOAL
    assert calls(rds.session) == [
        "CALL mysql.rds_start_replication_until",
        "CALL mysql.rds_stop_replication",
        "CALL mysql.rds_start_replication_until",
        "CALL mysql.rds_stop_replication",
    ]


def test_a_refusal_that_stands_is_told_in_rds_s_words() -> None:
    rds = Rds()
    refused = ProcedureRefused("rds_start_replication_until is not supported for multi-threaded slaves")
    rds.session.answers = {
        "CALL mysql.rds_start_replication_until": refused,
        **{key: value for key, value in rds.session.answers.items() if "until" not in key},
    }
    with pytest.raises(ProcedureRefused, match="multi-threaded"):
        channel.run_until(rds.session, GOAL, deadline=60)
    assert len(calls(rds.session)) == 2


def test_what_no_repetition_can_change_is_not_repeated() -> None:
    rds = Rds("Yes", "Yes")
    rds.session.answers["CALL mysql.rds_stop_replication"] = ActionRequired(
        "the account lacks a privilege (1370)"
    )
    with pytest.raises(ActionRequired, match="1370"):
        channel.stop(rds.session)
    assert len(calls(rds.session)) == 1


@pytest.mark.parametrize("verb", [channel.stop, channel.start])
def test_a_channel_that_is_reset_meanwhile_is_missed(verb: Any) -> None:
    rds = Rds("No", "Yes")
    rds.meanwhile = [rds.forgotten]
    with pytest.raises(ActionRequired, match="follows no source, though it should"):
        verb(rds.session)


def test_a_reset_that_comes_too_late_has_nothing_to_do() -> None:
    rds = Rds()
    rds.meanwhile = [rds.forgotten]
    channel.detach(rds.session)
    assert channel.status(rds.session) is None


def test_a_reset_that_cost_the_connection_is_looked_after() -> None:
    rds = Rds()
    rds.meanwhile = [rds.lost]
    channel.detach(rds.session)
    assert channel.status(rds.session) is None


def attached(rds: Rds, **more: Any) -> ReplicaStatus:
    return channel.attach(rds.session, SOURCE, ACCOUNT, Coordinates("b.000002", 400), **more)


def test_an_attached_channel_that_runs_again_is_stopped_and_attached() -> None:
    rds = Rds()
    rds.meanwhile = [rds.agent_starts]
    assert attached(rds).stopped


def test_an_attachment_that_cost_the_connection_is_looked_after_or_repeated() -> None:
    fresh = Rds(configured=False)
    fresh.meanwhile = [fresh.lost]
    assert attached(fresh).stopped
    again = Rds()
    again.meanwhile = [again.lost]
    assert attached(again).stopped
    assert len(calls(again.session)) == 2, "the new password may not have arrived"


def test_an_instance_that_rds_takes_for_a_read_replica_is_given_time() -> None:
    """It may do so for a while after an instance was restored from a replica's snapshot."""
    rds = Rds(configured=False)
    messages: list[str] = []
    rds.refuses_source = 3
    assert attached(rds, patience=600, progress=messages.append).stopped
    assert messages == ["RDS still treats the instance as a read replica"] * 3
    stubborn = Rds(configured=False)
    stubborn.refuses_source = 99
    with pytest.raises(ActionRequired, match="RDS Read Replica"):
        attached(stubborn)
    assert len(calls(stubborn.session)) == 1


NEVER = {
    "Replica_IO_Running": "Connecting",
    "Relay_Source_Log_File": "",
    "Exec_Source_Log_Pos": 0,
    "Source_Log_File": "",
    "Source_User": "rdsrepladmin",
}
"""A managed replica that has not connected to its source yet."""


@pytest.mark.parametrize(
    ("number", "text", "expected"),
    [
        (2026, "SSL connection error", "cannot agree on TLS"),
        (2003, "Can't connect", "has not connected to its source orders.example yet"),
    ],
)
def test_a_replica_that_cannot_reach_its_source_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, number: int, text: str, expected: str
) -> None:
    monkeypatch.setattr(channel, "_CONNECT", 0.0)
    session = FakeSession({STATUS: [replica_row(**NEVER, Last_IO_Errno=number, Last_IO_Error=text)]})
    with pytest.raises(ActionRequired, match=expected) as caught:
        channel.stop_for_snapshot(session)
    assert text in str(caught.value)
    assert calls(session) == []


def test_a_replica_that_connects_in_time_is_stopped_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(row=replica_row(**NEVER))

    def connected(_seconds: float) -> None:
        server.row = replica_row()

    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", connected)
    assert channel.stop_for_snapshot(server.session).executed == Coordinates("b.000002", 400)


def test_who_has_no_coordinates_is_before_everything_and_behind() -> None:
    status = channel.status(FakeSession({STATUS: [replica_row(**NEVER)]}))
    assert status is not None
    assert status.executed < Coordinates("b.000001", 4)
    assert str(status) == "connecting at no coordinates yet"
    measured = lag.measure(source_at(400), FakeSession({STATUS: [replica_row(**NEVER)]}))
    assert not measured.reached(measured.source)
    assert measured.bytes == 400


def test_an_applier_that_is_long_on_one_change_says_on_which_table() -> None:
    clock = iter([0.0, 30.0, 300.0, 301.0])
    session = FakeSession(
        {
            "SHOW OPEN TABLES": [
                {"Database": "shop", "Table": "log"},
                {"Database": "mysql", "Table": "user"},
            ]
        }
    )
    stuck = lag._Stuck(session, lambda: next(clock))

    def words(position: int) -> str:
        status = channel.status(FakeSession({STATUS: [replica_row(Exec_Source_Log_Pos=position)]}))
        assert status is not None
        return stuck.words(status)

    assert [words(400), words(400), words(400)] == ["", "", "5 min on one change to shop.log"]
    assert words(500) == ""


def test_a_replica_that_was_just_started_is_stopped_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """RDS's agent resumes replication a moment after it has started the server, even if somebody has stopped it meanwhile."""
    rds = Rds("Yes", "Yes")
    uptime = iter([1, 4, 6])
    rds.session.answers["SHOW GLOBAL STATUS LIKE 'Uptime'"] = lambda: [{"Value": str(next(uptime))}]
    agent: Iterator[Callable[[], None]] = iter([rds.agent_starts, lambda: None])
    monkeypatch.setattr("rds_encrypt.mysql.channel.time.sleep", lambda _seconds: next(agent)())
    assert channel.stop_for_snapshot(rds.session).stopped
    assert calls(rds.session) == ["CALL mysql.rds_stop_replication"] * 2
    assert rds.state == "OFF"


OPEN = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Slave_open_temp_tables'"


def test_a_replica_with_temporary_tables_is_stopped_again_once_they_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A snapshot would lose them, and the copy would fail at the next statement that needs them."""
    rds, counts = Rds("Yes", "Yes"), iter([2, 1, 0, 0])
    rds.session.answers[OPEN] = lambda: [{"Value": str(next(counts))}]
    monkeypatch.setattr("rds_encrypt.mysql.channel.time.sleep", lambda _seconds: None)
    assert channel.stop_for_snapshot(rds.session).stopped
    assert calls(rds.session) == [
        "CALL mysql.rds_stop_replication",
        "CALL mysql.rds_start_replication",
        "CALL mysql.rds_stop_replication",
    ]


def test_a_replica_that_always_has_temporary_tables_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rds = Rds("Yes", "Yes")
    rds.session.answers[OPEN] = [{"Value": "3"}]
    monkeypatch.setattr(channel, "_TEMPORARY", -1.0)
    with pytest.raises(ActionRequired, match=r"always have temporary tables open \(3 now\)") as caught:
        channel.stop_for_snapshot(rds.session)
    assert "Set `binlog_format` to ROW" in caught.value.fix
    assert calls(rds.session) == ["CALL mysql.rds_stop_replication", "CALL mysql.rds_start_replication"]


def test_a_replica_that_cannot_apply_a_change_is_no_origin_of_a_copy() -> None:
    missing = {"Last_SQL_Errno": 1146, "Last_SQL_Error": "Table 'shop.draft' doesn't exist"}
    server = Server(row=replica_row(**missing, Replica_SQL_Running="No"))
    with pytest.raises(ActionRequired, match="lacks a table that a change needs"):
        channel.stop_for_snapshot(server.session)
