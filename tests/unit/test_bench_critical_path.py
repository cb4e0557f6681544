"""What a run waited for, from what the sandbox recorded: the path, the provider's polling, the servers, and us."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.bench.critical_path import Operation, Procedure, operations
from dev.bench.in_sync import InSync, lines_of
from dev.sandbox.rds.clock import TimeModel

BEGAN = datetime(2026, 11, 25, tzinfo=UTC)
MODEL = TimeModel("realistic", 0.1)
PROVIDER, OURS = "Boto3/1.44", "Boto3/1.44 rds-encrypt"


def call(seconds: float, action: str, agent: str = PROVIDER, **parameters: Any) -> dict[str, Any]:
    moment = (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    return {"time": moment, "action": action, "agent": agent, "parameters": parameters, "error_code": None}


def event(seconds: float, name: str, message: str) -> dict[str, Any]:
    return {"Date": BEGAN + timedelta(seconds=seconds), "SourceIdentifier": name, "Message": message}


REPLICA = call(5, "CreateDBInstanceReadReplica", DBInstanceIdentifier="orders-not-encrypted")
SNAPSHOT = call(
    46,
    "CreateDBSnapshot",
    DBInstanceIdentifier="orders-not-encrypted",
    DBSnapshotIdentifier="orders-snapshot",
)
CALLS = [
    REPLICA,
    call(20, "DescribeDBInstances"),
    call(42, "DescribeDBInstances"),
    call(44, "ListTagsForResource"),
    call(45, "DescribeDBInstances", OURS),
    SNAPSHOT,
    call(59, "DescribeDBSnapshots"),
]
EVENTS = [
    event(1, "orders-snapshot", "Manual snapshot created"),
    event(41.5, "orders-not-encrypted", "DB instance created"),
    event(58.2, "orders-snapshot", "Manual snapshot created"),
]


def extract(calls: list[dict[str, Any]], events: list[dict[str, Any]], **options: bool) -> list[Operation]:
    return operations(calls, events, MODEL, BEGAN.timestamp(), **options)


def test_each_request_of_the_procedure_is_charged_what_the_time_model_says() -> None:
    assert [operation.imposed for operation in extract(CALLS, EVENTS)] == [
        pytest.approx(MODEL.seconds("replica")),
        pytest.approx(MODEL.seconds("snapshot")),
    ]


def test_an_operation_ends_with_its_own_event_after_it_was_asked_for() -> None:
    replica, snapshot = extract(CALLS, EVENTS)
    assert replica.done == pytest.approx(41.5)
    assert snapshot.done == pytest.approx(58.2)


def test_the_provider_has_seen_enough_with_its_last_look_and_ours_do_not_count() -> None:
    replica, snapshot = extract(CALLS, EVENTS)
    assert replica.noticed == pytest.approx(44)
    assert snapshot.noticed == pytest.approx(59)


def test_a_waiter_of_the_cli_has_seen_enough_with_its_first_look() -> None:
    assert extract(CALLS, EVENTS, looks_once=True)[0].noticed == pytest.approx(42)


def test_what_was_asked_for_in_vain_is_not_part_of_the_procedure() -> None:
    assert extract([{**SNAPSHOT, "error_code": "InvalidDBInstanceState"}, *CALLS], EVENTS) == extract(
        CALLS, EVENTS
    )


def test_a_restore_is_charged_with_the_states_that_its_settings_imply() -> None:
    done = [event(30, "orders-encrypted", "Restored from snapshot orders-encrypted")]
    asked: dict[str, Any] = {"EnableIAMDatabaseAuthentication": True, "BackupRetentionPeriod": 7}
    name = "RestoreDBInstanceFromDBSnapshot"
    (made,) = extract([call(1, name, DBInstanceIdentifier="orders-encrypted", **asked)], done)
    expected = MODEL.seconds("restore") + 2 * MODEL.seconds("configure") + MODEL.seconds("backup")
    assert made.imposed == pytest.approx(expected)


NO_BACKUPS_AND_SOME: tuple[dict[str, Any], ...] = ({}, {"BackupRetentionPeriod": 7})


def test_the_first_backups_of_an_instance_are_charged_with_the_change_that_begins_them() -> None:
    done = [event(20, "orders-encrypted", "Finished applying modification to the DB instance")]
    bare, with_backups = (
        extract([call(1, "ModifyDBInstance", DBInstanceIdentifier="orders-encrypted", **more)], done)[
            0
        ].imposed
        for more in NO_BACKUPS_AND_SOME
    )
    assert bare == pytest.approx(MODEL.seconds("notice") + MODEL.seconds("modify"))
    assert with_backups == pytest.approx(bare + MODEL.seconds("backup"))


def test_a_record_of_something_unfinished_is_refused() -> None:
    with pytest.raises(LookupError, match="CreateDBSnapshot of orders-snapshot has no end"):
        extract(CALLS, EVENTS[:2])


PROCEDURE = Procedure(
    seconds=62.0,
    factor=0.1,
    operations=[Operation("replica", 36.0, 5.0, 41.5, 44.0), Operation("snapshot", 12.0, 46.0, 58.2, 59.0)],
    calls=100,
    own_calls=40,
)


def test_a_run_is_all_of_its_parts() -> None:
    assert PROCEDURE.imposed == pytest.approx(48.0)
    assert PROCEDURE.servers == pytest.approx(0.7)
    assert PROCEDURE.polling == pytest.approx(3.3)
    assert PROCEDURE.own == pytest.approx(5 + 2 + 3)
    assert sum(seconds for _, seconds in PROCEDURE.gaps) == pytest.approx(PROCEDURE.own)


def test_only_what_depends_on_the_time_model_is_stretched() -> None:
    assert PROCEDURE.seconds_unscaled == pytest.approx(480 + 33 + 0.7 + 10)


def test_at_the_profiles_own_pace_nothing_is_stretched() -> None:
    procedure = replace(PROCEDURE, factor=1.0)
    assert procedure.seconds_unscaled == pytest.approx(procedure.seconds)
    assert procedure.rate == pytest.approx(100 / 62 * 60)


def test_the_limit_is_on_what_is_ours_and_the_whole_is_shown_above_it() -> None:
    lines = {line.name: line for line in lines_of(InSync(PROCEDURE, PROCEDURE))}
    whole = lines["time to in-sync (at 0.1 of its times, stretched)"]
    assert whole.ratio == pytest.approx(523.7 / 480)
    assert lines["time to in-sync without those two"].ratio == pytest.approx(490 / 480)
    assert lines["time to in-sync without those two"].complaint is None
    slow = replace(PROCEDURE, seconds=PROCEDURE.seconds + 20)
    assert {line.name: line for line in lines_of(InSync(slow, PROCEDURE))}[
        "time to in-sync without those two"
    ].complaint
