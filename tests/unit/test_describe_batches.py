"""Looks at DB instances: batched for all threads, each as fresh as a call of its own, and by identity only."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from rds_encrypt.aws import describe_batches, snapshots
from rds_encrypt.aws import instance_reader as looked_at
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.errors import passes
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core import waiting
from rds_encrypt.core.errors import ActionRequired, Retryable
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.cutover.strategies import Rename
from rds_encrypt.names import Names
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.unit.fakes import instance

SETTINGS = AwsSettings(region="eu-west-1")
WAIT = 10.0


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "DescribeDBInstances",
    )


class Account:
    """RDS as clients see it: what there is, and each request with the values that it asked for."""

    def __init__(self, *identifiers: str) -> None:
        self.instances = [dict(instance(identifier).description) for identifier in identifiers]
        self.snapshots = [f"{identifier}-encrypted" for identifier in identifiers]
        self.requests: list[list[str]] = []
        self.answers: list[Exception] = []
        self.strict = False
        self.began = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def asked(self, values: Sequence[str]) -> None:
        self.requests.append(list(values))
        self.began.release()
        assert self.open.wait(WAIT)
        if self.answers:
            raise self.answers.pop(0)

    def describe_db_instances(self, Filters: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:  # noqa: N803
        keys = {"db-instance-id": "DBInstanceIdentifier", "dbi-resource-id": "DbiResourceId"}
        requested = {keys[criterion["Name"]]: list(criterion["Values"]) for criterion in Filters}
        self.asked(next(iter(requested.values()), []))
        there = {entry[key] for key in requested for entry in self.instances}
        if self.strict and any(value not in there for values in requested.values() for value in values):
            raise refusal("DBInstanceNotFound", 404)
        matching = [
            entry
            for entry in self.instances
            if all(entry[key] in values for key, values in requested.items())
        ]
        return {"DBInstances": matching}

    def describe_db_snapshots(self, Filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        (criterion,) = Filters
        self.asked(criterion["Values"])
        matching = [name for name in self.snapshots if name in criterion["Values"]]
        return {
            "DBSnapshots": [{"DBSnapshotIdentifier": name, "Status": "available"} for name in matching],
        }

    def delete_db_parameter_group(self, DBParameterGroupName: str) -> None:  # noqa: N803
        self.requests.append(["delete", DBParameterGroupName])

    def get_paginator(self, operation: str) -> Any:
        call = getattr(self, operation)

        class Paginator:
            def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
                return [call(**arguments)]

        return Paginator()


class Client(Aws):
    """The clients of one step."""

    def __init__(self, account: Account) -> None:
        self.settings = SETTINGS
        self.rds = cast(Any, account)

    @property
    def region(self) -> str:
        return "eu-west-1"


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe_batches, "_shared", {})
    monkeypatch.setattr(looked_at, "_PAUSES", (0.0, 0.0))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


def held(account: Account, pool: ThreadPoolExecutor, *resource_ids: str) -> dict[str, Any]:
    """Let steps, each with clients of its own, look at these while another look is under way; return the answer to each."""
    account.open.clear()
    first = pool.submit(Instances(Client(account)).find, "db-OTHER")
    assert account.began.acquire(timeout=WAIT)
    asked = {
        resource_id: pool.submit(Instances(Client(account)).find, resource_id) for resource_id in resource_ids
    }
    while len(describe_batches.shared_batches(SETTINGS).by_id._waiting) < len(resource_ids):
        time.sleep(0.001)
    account.open.set()
    first.exception(WAIT)
    return {resource_id: future.exception(WAIT) or future.result() for resource_id, future in asked.items()}


def test_steps_that_look_at_the_same_time_make_one_request(pool: ThreadPoolExecutor) -> None:
    account = Account("a", "b", "c")
    results = held(account, pool, "db-A", "db-B", "db-C", "db-GONE")
    assert {resource_id: result and result.identifier for resource_id, result in results.items()} == {
        "db-A": "a",
        "db-B": "b",
        "db-C": "c",
        "db-GONE": None,
    }
    assert account.requests == [["db-OTHER"], ["db-A", "db-B", "db-C", "db-GONE"]]


def test_one_that_is_not_known_hides_no_other(pool: ThreadPoolExecutor) -> None:
    """AWS may answer a request for many with an error about one: the others are there, and must not be taken for deleted."""
    account = Account("a", "b")
    account.strict = True
    results = held(account, pool, "db-A", "db-B", "db-GONE")
    assert (results["db-A"].identifier, results["db-B"].identifier, results["db-GONE"]) == ("a", "b", None)


def test_throttling_reaches_everybody_as_it_is_sorted_and_with_their_own_instance(
    pool: ThreadPoolExecutor,
) -> None:
    account = Account("a", "b")
    account.answers = [refusal("DBInstanceNotFound"), refusal("Throttling")]
    results = held(account, pool, "db-A", "db-B")
    assert all(isinstance(result, Retryable) for result in results.values())
    assert {key: result.where for key, result in results.items()} == {"db-A": "db-A", "db-B": "db-B"}
    assert len(account.requests) == 2


def test_expired_credentials_are_their_owners(pool: ThreadPoolExecutor) -> None:
    """Each step has clients of its own; if the request for all is refused, each asks for itself with its own."""
    account = Account("a", "b")
    account.answers = [refusal("DBInstanceNotFound"), refusal("ExpiredToken")]
    results = held(account, pool, "db-A", "db-B")
    assert {key: result.identifier for key, result in results.items()} == {"db-A": "a", "db-B": "b"}
    assert sorted(account.requests[2:]) == [["db-A"], ["db-B"]]


def test_what_is_refused_to_one_alone_is_sorted_as_ever() -> None:
    account = Account("a")
    account.answers = [refusal("AccessDenied", 403)]
    with pytest.raises(ActionRequired, match=r"^db-A: AWS refused DescribeDBInstances"):
        Instances(Client(account)).find("db-A")


@pytest.mark.parametrize(
    ("error", "shared"),
    [
        (refusal("Throttling"), True),
        (refusal("InternalFailure", 500), True),
        (refusal("ExpiredToken"), False),
        (refusal("AccessDenied", 403), False),
        (refusal("InvalidParameterValue"), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_what_would_meet_anybody_passes(error: Exception, *, shared: bool) -> None:
    assert passes(error) is shared


def test_several_are_seen_at_one_moment_and_in_order() -> None:
    account = Account("a", "b")
    second, first = Instances(Client(account)).get_several("db-B", "db-A")
    assert (second.identifier, first.identifier) == ("b", "a")
    assert account.requests == [["db-A", "db-B"]]


def test_whoever_is_gone_is_named_after_a_few_looks() -> None:
    account = Account("a")
    with pytest.raises(ActionRequired, match=r"^db-GONE: this DB instance no longer exists"):
        Instances(Client(account)).get_several("db-A", "db-GONE")
    assert len(account.requests) == 3


def test_more_than_a_page_is_asked_for_in_lots() -> None:
    names = [f"db{number:03}" for number in range(230)]
    account = Account(*names)
    assert sorted(Instances(Client(account)).named(names)) == names
    assert [len(request) for request in account.requests] == [100, 100, 30]
    account.requests.clear()
    identifiers = [f"{name}-encrypted" for name in names]
    assert sorted(snapshots.existing(Client(account), identifiers)) == identifiers
    assert [len(request) for request in account.requests] == [100, 100, 30]


def test_a_tag_is_written_after_a_look_unless_there_was_one_right_before() -> None:
    account = Account("a")
    instances = Instances(Client(account))
    described = instances.get("db-A")
    instances.untag(described, ["nothing"])
    assert len(account.requests) == 1
    instances.untag("db-A", ["nothing"])
    assert account.requests == [["db-A"], ["db-A"]]


def test_groups_in_use_are_not_deleted_and_one_look_tells_of_all() -> None:
    account = Account("a", "b")
    account.instances[1]["DBParameterGroups"] = [
        {"DBParameterGroupName": "b-encrypted", "ParameterApplyStatus": "in-sync"}
    ]
    ParameterGroups(Client(account)).delete_unused(["b-encrypted", "b-fence"])
    assert account.requests == [[], ["delete", "b-fence"]]


def test_what_is_said_of_a_snapshot_in_one_preview_is_asked_once() -> None:
    account = Account("a")
    around = AccountInventory(Client(account))
    assert sorted(around.snapshots(["a-encrypted", "a-not-encrypted"])) == ["a-encrypted"]
    assert sorted(around.snapshots(["a-encrypted", "a-not-encrypted"])) == ["a-encrypted"]
    assert sorted(around.snapshots(["b-encrypted"])) == []
    assert account.requests == [["a-encrypted", "a-not-encrypted"], ["b-encrypted"]]


def test_checks_are_asked_about_one_moment_and_moves_about_their_own() -> None:
    account = Account("a", "a-encrypted")
    names = Names("a")
    context = CutoverContext(
        aws=Client(account),
        access=cast(Any, None),
        names=names,
        direction=cutover_direction(names, "db-A", "db-A-ENCRYPTED"),
        source_group="a-mysql80",
        strategy=Rename(),
        settings=CutoverSettings(),
        verify=VerifySettings(),
    )
    now = context.still()
    assert (now.primary().identifier, now.candidate().identifier, now.encrypted().identifier) == (
        "a",
        "a-encrypted",
        "a-encrypted",
    )
    assert account.requests == [["db-A", "db-A-ENCRYPTED"]]
    context.primary()
    context.primary()
    assert account.requests[1:] == [["db-A"], ["db-A"]]


def test_what_waits_ask_does_not_grow_with_their_number(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight steps, begun one after the other, wait for eight instances: after a while all look at the same moments, together."""
    monkeypatch.setattr(waiting, "_WIDEST", 0.8)
    monkeypatch.setattr(waiting, "_FINEST", 0.1)
    monkeypatch.setattr(looked_at, "WINDOW", 0.2)
    names = [f"db{number}" for number in range(8)]
    account, looked = Account(*names), Counter[str]()

    def available(current: Instance) -> bool:
        looked[current.identifier] += 1
        return looked[current.identifier] == 8

    def wait(resource_id: str) -> None:
        Instances(Client(account)).wait(resource_id, "be available", available, deadline=60.0, longest=1.0)

    steps = []
    for name in names:
        steps.append(pool.submit(wait, f"db-{name.upper()}"))
        time.sleep(0.05)
    for step in steps:
        step.result(60)
    assert looked == dict.fromkeys(names, 8)
    assert len(account.requests) < sum(looked.values()) / 2
    assert max(map(len, account.requests)) >= 4
