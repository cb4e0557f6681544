"""Changes that RDS refuses for a while, or accepts with an error: asked for when they can work, and looked for after any error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from rds_encrypt.aws import changes, describe_batches, instance_reader
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core import waiting
from rds_encrypt.core.errors import ActionRequired, Retryable, TimedOut
from tests.unit.fakes import instance

SETTINGS = AwsSettings(region="eu-west-1")
BUSY = "Database instance is not in available state."
REBOOT_LATER = "Instance cannot currently reboot due to an in-progress management operation."


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.later: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [event for event in self.later if event[0] <= self.now]
        self.later = [event for event in self.later if event[0] > self.now]
        for _, happen in due:
            happen()

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        self.later.append((self.now + seconds, happen))


class Rds:
    """RDS with instances; each Modify or Reboot gets the answer that the test has put there, or is accepted."""

    def __init__(self, *identifiers: str) -> None:
        self.there = {name: dict(instance(name).description) for name in identifiers}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.refuse: Callable[[str, Mapping[str, Any]], Exception | None] = lambda _name, _changes: None
        self.accept: Callable[[dict[str, Any], Mapping[str, Any]], None] = lambda _description, _changes: None

    def describe_db_instances(self, Filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        keys = {"db-instance-id": "DBInstanceIdentifier", "dbi-resource-id": "DbiResourceId"}
        ((key, values),) = [(keys[criterion["Name"]], criterion["Values"]) for criterion in Filters]
        return {"DBInstances": [dict(entry) for entry in self.there.values() if entry[key] in values]}

    def modify_db_instance(self, DBInstanceIdentifier: str, ApplyImmediately: object, **given: Any) -> None:  # noqa: N803
        assert ApplyImmediately
        self._take(DBInstanceIdentifier, given)

    def reboot_db_instance(self, DBInstanceIdentifier: str) -> None:  # noqa: N803
        self._take(DBInstanceIdentifier, {})

    def _take(self, name: str, given: Mapping[str, Any]) -> None:
        self.asked.append((name, given))
        if (refused := self.refuse(name, given)) is not None:
            raise refused
        description = next(entry for entry in self.there.values() if entry["DBInstanceIdentifier"] == name)
        self.accept(description, given)

    def get_paginator(self, operation: str) -> Any:
        call = getattr(self, operation)

        class Paginator:
            def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
                return [call(**arguments)]

        return Paginator()


class Client(Aws):
    def __init__(self, rds: Rds) -> None:
        self.settings = SETTINGS
        self.rds = cast(Any, rds)

    @property
    def region(self) -> str:
        return "eu-west-1"


def refusal(code: str, message: str = "no", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "ModifyDBInstance",
    )


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(describe_batches, "_shared", {})
    monkeypatch.setattr(instance_reader, "WINDOW", 0.0)
    fake_time = Clock()
    for module in (changes, waiting):
        monkeypatch.setattr(module, "time", fake_time)
    return fake_time


@pytest.mark.parametrize(
    ("status", "usable"),
    [
        ("available", True),
        ("storage-optimization", True),
        ("storage-initialization", True),
        ("backing-up", False),
        ("storage-full", False),
        ("modifying", False),
    ],
)
def test_an_instance_whose_storage_is_busy_is_as_good_as_available(status: str, *, usable: bool) -> None:
    assert Instance({"DBInstanceStatus": status}).available is usable


def test_hours_of_the_first_backup_are_waited_for(clock: Clock) -> None:
    """A restore with backups makes a full backup before it is available: 2 to 3 hours in terraform-provider-aws #44104."""
    rds = Rds("a")
    rds.there["a"]["DBInstanceStatus"] = "backing-up"
    clock.after(3 * 3600, lambda: rds.there["a"].update(DBInstanceStatus="storage-initialization"))
    restored = Instances(Client(rds)).wait_until_available("db-A", deadline=24 * 3600)
    assert restored.status == "storage-initialization"


def test_a_change_refused_just_after_available_is_asked_for_again_and_ever_more_rarely(clock: Clock) -> None:
    rds, began = Rds("a"), clock.now
    rds.refuse = lambda _name, _given: (
        refusal("InvalidDBInstanceState", BUSY) if clock.now < began + 20 else None
    )
    Instances(Client(rds)).modify("db-A", BackupRetentionPeriod=9)
    assert 20 <= clock.now - began < 26
    assert len(rds.asked) <= 8


def test_a_change_that_is_refused_for_minutes_is_an_error(clock: Clock) -> None:
    rds, began = Rds("a"), clock.now
    rds.refuse = lambda _name, _given: refusal("InvalidDBInstanceState", BUSY)
    with pytest.raises(Retryable, match="busy with something else"):
        Instances(Client(rds)).modify("db-A", BackupRetentionPeriod=9)
    assert 150 < clock.now - began < 240


@pytest.mark.parametrize("status", ["stopped", "backing-up", "incompatible-restore"])
def test_a_change_is_not_asked_for_again_in_a_status_that_lasts(status: str) -> None:
    rds = Rds("a")
    rds.there["a"]["DBInstanceStatus"] = status
    rds.refuse = lambda _name, _given: refusal("InvalidDBInstanceState", BUSY)
    with pytest.raises(Retryable):
        Instances(Client(rds)).modify("db-A", BackupRetentionPeriod=9)
    assert len(rds.asked) == 1


@pytest.mark.parametrize(
    "error",
    [
        refusal("InternalFailure", status=500),
        refusal("InvalidDBInstanceState", BUSY),
        refusal("InvalidParameterCombination", "what did you expect?"),
        ConnectionClosedError(endpoint_url="https://rds"),
    ],
)
@pytest.mark.parametrize("where", ["in effect", "pending"])
def test_after_any_error_what_has_been_accepted_has_been_accepted(error: Exception, where: str) -> None:
    rds = Rds("a")

    def answer_late(_name: str, given: Mapping[str, Any]) -> Exception:
        description = rds.there["a"]
        description.update(given if where == "in effect" else {"PendingModifiedValues": dict(given)})
        return error

    rds.refuse = answer_late
    Instances(Client(rds)).modify("db-A", BackupRetentionPeriod=9)
    assert len(rds.asked) == 1


def test_what_is_refused_for_good_is_not_asked_for_again() -> None:
    rds = Rds("a")
    rds.refuse = lambda _name, _given: refusal("InvalidParameterCombination", "You can't currently modify it")
    with pytest.raises(ActionRequired, match="can't currently modify"):
        Instances(Client(rds)).modify("db-A", AllocatedStorage=30)
    assert len(rds.asked) == 1


def renaming(clock: Clock, rds: Rds, *, notice: float, away: float, rest: float) -> None:
    """Let Modify rename as RDS does: still available for a moment, then no name answers, then a reboot."""

    def begin(description: dict[str, Any], given: Mapping[str, Any]) -> None:
        description["PendingModifiedValues"] = {"DBInstanceIdentifier": given["NewDBInstanceIdentifier"]}
        named = {
            "DBInstanceIdentifier": given["NewDBInstanceIdentifier"],
            "DBParameterGroups": [
                {
                    "DBParameterGroupName": given["DBParameterGroupName"],
                    "ParameterApplyStatus": "in-sync",
                }
            ],
        }
        clock.after(notice, lambda: description.update(DBInstanceStatus="renaming"))
        clock.after(
            notice + away,
            lambda: description.update(named, DBInstanceStatus="rebooting", PendingModifiedValues={}),
        )
        clock.after(notice + away + rest, lambda: description.update(DBInstanceStatus="available"))

    def refuse(name: str, given: Mapping[str, Any]) -> Exception | None:
        new_name = given.get("NewDBInstanceIdentifier")
        description = next(entry for entry in rds.there.values() if entry["DBInstanceIdentifier"] == name)
        if description["DBInstanceStatus"] != "available" or description.get("PendingModifiedValues"):
            return refusal("InvalidDBInstanceState", BUSY)
        if any(entry["DBInstanceIdentifier"] == new_name for entry in rds.there.values()):
            return refusal("DBInstanceAlreadyExists", "DB instance already exists")
        return None

    rds.accept, rds.refuse = begin, refuse


def test_a_pair_of_renames_asks_twice_and_loses_no_time(clock: Clock) -> None:
    """Each takes AWS minutes: the second is asked for as soon as the name is free, and never before."""
    rds = Rds("a", "a-encrypted")
    renaming(clock, rds, notice=5, away=180, rest=60)
    instances, began = Instances(Client(rds)), clock.now
    instances.ask_rename("db-A", "a-old", parameter_group="g", deadline=1800)
    instances.ask_rename("db-A-ENCRYPTED", "a", parameter_group="g", deadline=1800)
    assert 185 <= clock.now - began < 185 + 1.3
    assert [(name, given["NewDBInstanceIdentifier"]) for name, given in rds.asked] == [
        ("a", "a-old"),
        ("a-encrypted", "a"),
    ]
    instances.await_rename("db-A", "a-old", parameter_group="g", deadline=1800)
    instances.await_rename("db-A-ENCRYPTED", "a", parameter_group="g", deadline=1800)
    assert len(rds.asked) == 2


def test_a_short_rename_is_noticed_within_a_third_of_a_second(clock: Clock) -> None:
    rds = Rds("a", "a-encrypted")
    renaming(clock, rds, notice=0.1, away=1.5, rest=0.5)
    instances, began = Instances(Client(rds)), clock.now
    instances.ask_rename("db-A", "a-old", parameter_group="g", deadline=1800)
    instances.ask_rename("db-A-ENCRYPTED", "a", parameter_group="g", deadline=1800)
    assert 1.6 <= clock.now - began < 1.9


def test_a_name_that_is_refused_though_nobody_is_listed_with_it_is_asked_for_rarely(clock: Clock) -> None:
    rds, began = Rds("b"), clock.now
    rds.refuse = lambda _name, _given: refusal("DBInstanceAlreadyExists") if clock.now < began + 60 else None
    Instances(Client(rds)).ask_rename("db-B", "a", parameter_group="g", deadline=1800)
    assert len(rds.asked) < 20
    assert clock.now - began < 60 + 6.5


def test_after_a_refusal_it_is_asked_for_again_with_the_next_change_that_is_seen(clock: Clock) -> None:
    """Whether a name is free while neither name of a rename answers is not known: it may be refused until then."""
    rds, began = Rds("a-old", "b"), clock.now
    rds.there["a-old"].update(DBInstanceIdentifier="a")
    clock.after(
        2, lambda: rds.there["a-old"].update(DBInstanceIdentifier="a-old", DBInstanceStatus="renaming")
    )
    clock.after(60, lambda: rds.there["a-old"].update(DBInstanceStatus="rebooting"))
    rds.refuse = lambda _name, _given: refusal("DBInstanceAlreadyExists") if clock.now < began + 60 else None
    Instances(Client(rds)).ask_rename("db-B", "a", parameter_group="g", deadline=1800)
    assert clock.now - began < 60 + 1.3


@pytest.mark.parametrize("error", [refusal("Throttling"), ConnectionClosedError(endpoint_url="https://rds")])
def test_a_rename_outlasts_what_passes(clock: Clock, error: Exception) -> None:
    """It is past the point of no return: no passing error may end it."""
    rds, answers = Rds("a"), [error, error]
    rds.refuse = lambda _name, _given: answers.pop() if answers else None
    Instances(Client(rds)).ask_rename("db-A", "a-old", parameter_group="g", deadline=1800)
    assert len(rds.asked) == 3


@pytest.mark.parametrize(("status", "fix"), [("stopped", "start-db-instance"), ("failed", "AWS Support")])
def test_an_instance_that_cannot_be_renamed_is_no_reason_to_wait(status: str, fix: str) -> None:
    rds = Rds("a")
    rds.there["a"]["DBInstanceStatus"] = status
    with pytest.raises(ActionRequired, match=fix):
        Instances(Client(rds)).ask_rename("db-A", "a-old", parameter_group="g", deadline=1800)
    assert not rds.asked


def test_a_full_instance_is_renamed() -> None:
    rds = Rds("a")
    rds.there["a"]["DBInstanceStatus"] = "storage-full"
    Instances(Client(rds)).ask_rename("db-A", "a-old", parameter_group="g", deadline=1800)
    assert len(rds.asked) == 1


def test_a_name_that_stays_taken_is_an_error_in_the_end() -> None:
    rds = Rds("a", "b")
    with pytest.raises(TimedOut, match=r"waited .* for RDS to begin renaming it to a"):
        Instances(Client(rds)).ask_rename("db-B", "a", parameter_group="g", deadline=60)
    assert not rds.asked


def test_a_reboot_refused_for_a_while_is_asked_for_again(clock: Clock) -> None:
    rds = Rds("a")
    group = {"DBParameterGroupName": "g", "ParameterApplyStatus": "pending-reboot"}
    rds.there["a"]["DBParameterGroups"] = [group]
    answers = [refusal("InvalidDBInstanceState", REBOOT_LATER)] * 2
    rds.refuse = lambda _name, _given: answers.pop() if answers else None
    rds.accept = lambda description, _given: description.update(
        DBParameterGroups=[{**group, "ParameterApplyStatus": "in-sync"}]
    )
    renamed = Instances(Client(rds)).await_rename("db-A", "a", parameter_group="g", deadline=60)
    assert renamed.parameters_in_sync
    assert len(rds.asked) == 3
