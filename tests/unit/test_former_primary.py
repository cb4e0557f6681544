"""The instance that lost the name: whatever becomes of it, production gets the name, and is opened only when that is safe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired, Retryable
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover.context import Aside, CutoverContext, Deadlines
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.cutover.former_primary import Unreachable, await_harmless, give_up_name, make_room, reach
from rds_encrypt.names import Names
from tests.unit.fakes import FakeSession, instance

NAMES = Names("orders")
FENCE = [{"DBParameterGroupName": "orders-fence", "ParameterApplyStatus": "in-sync"}]
UNREBOOTED = [{"DBParameterGroupName": "orders-fence", "ParameterApplyStatus": "pending-reboot"}]


def named(**changes: Any) -> Instance:
    return instance("orders", **changes)


def renamed(**changes: Any) -> Instance:
    return instance("orders", **{"DBInstanceIdentifier": "orders-old", "DBParameterGroups": FENCE, **changes})


class World:
    """An account in which the instance is seen in one state after the other; the last one stays."""

    def __init__(self, *states: Instance | None) -> None:
        self.done: list[str] = []
        self.aside = Aside()
        self.refusals: list[Exception] = []
        self._states = list(states)

    @property
    def context(self) -> CutoverContext:
        context = SimpleNamespace(
            names=NAMES,
            primary_name=NAMES.old,
            direction=cutover_direction(NAMES, "db-ORDERS", "db-E"),
            deadlines=Deadlines(rename=5.0, gone=0.0, former_primary=0.0),
            instances=self,
            access=self,
            progress=silent,
            find_primary=self.look,
            candidate=lambda: instance("orders-encrypted"),
            warn=self.aside.warnings.append,
        )
        return cast(CutoverContext, context)

    def look(self) -> Instance | None:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def start(self, _id: str, **_options: Any) -> None:
        self._do("start")

    def modify(self, _id: str, **changes: Any) -> None:
        self._do(f"modify {changes}")

    def wait(self, *_arguments: Any, **_options: Any) -> None:
        self._do("wait")

    def ask_rename(self, _id: str, name: str, **_options: Any) -> None:
        self._do(f"rename to {name}")

    def ask_reboot(self, _id: str) -> None:
        self._do("reboot")

    @contextmanager
    def session(self, _instance: Instance, **_options: float) -> Iterator[FakeSession]:
        if self.refusals:
            raise self.refusals.pop(0)
        yield FakeSession({})

    def _do(self, what: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.done.append(what)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rds_encrypt.cutover.former_primary.time.sleep", lambda _seconds: None)
    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", lambda _seconds: None)


@pytest.mark.parametrize(
    ("states", "done"),
    [
        ((named(),), ["rename to orders-old"]),
        ((renamed(),), []),
        ((None,), []),
        ((named(DBInstanceStatus="deleting"), None), []),
        (
            (named(DBInstanceStatus="stopping"), named(DBInstanceStatus="stopped"), named()),
            ["start", "rename to orders-old"],
        ),
        (
            (named(DBInstanceStatus="storage-full"), named()),
            ["modify {'AllocatedStorage': 25}", "wait", "rename to orders-old"],
        ),
        # It has its name, and lacks the group that will fence it.
        ((renamed(DBParameterGroups=UNREBOOTED),), []),
        ((instance("orders", DBInstanceIdentifier="orders-old"),), ["rename to orders-old"]),
    ],
)
def test_it_gives_the_name_up_whatever_has_become_of_it(
    states: tuple[Instance | None, ...], done: list[str]
) -> None:
    world = World(*states)
    give_up_name(world.context)
    assert world.done == done


def test_a_full_candidate_is_enlarged_before_it_is_renamed() -> None:
    world = World(None)
    assert make_room(world.context, instance("orders-encrypted", DBInstanceStatus="storage-full"))
    assert world.done == ["modify {'AllocatedStorage': 25}", "wait"]
    assert "orders-encrypted was full" in world.aside.warnings[0]
    assert not make_room(world.context, instance("orders-encrypted"))


def test_what_is_done_to_it_is_told() -> None:
    world = World(named(DBInstanceStatus="stopped"), named())
    give_up_name(world.context)
    assert world.aside.warnings == [
        "orders was stopped while it still had the name; rds-encrypt started it to rename it"
    ]


def test_a_start_that_is_refused_for_a_moment_is_asked_for_again() -> None:
    world = World(named(DBInstanceStatus="stopped"), named(DBInstanceStatus="stopped"), named())
    world.refusals = [Retryable("busy")]
    give_up_name(world.context)
    assert world.done == ["start", "rename to orders-old"]


def test_where_aws_can_do_nothing_the_sentence_says_what_to_do() -> None:
    with pytest.raises(
        ActionRequired, match="aws rds delete-db-instance --db-instance-identifier orders"
    ) as error:
        give_up_name(World(named(DBInstanceStatus="failed")).context)
    assert "Then run `pulumi up` again" in str(error.value)


@pytest.mark.parametrize(
    "last",
    [
        None,
        renamed(),
        renamed(DBInstanceStatus="stopped"),
        renamed(DBInstanceStatus="storage-full", DBParameterGroups=UNREBOOTED),
        # A daily backup keeps nobody from production.
        renamed(DBInstanceStatus="backing-up"),
    ],
)
def test_the_owners_group_waits_until_it_cannot_take_writes(last: Instance | None) -> None:
    world = World(
        named(DBInstanceStatus="renaming"),
        renamed(DBInstanceStatus="rebooting", DBParameterGroups=UNREBOOTED),
        last,
    )
    await_harmless(world.context)
    assert world._states == [last]


def test_a_group_that_the_rename_did_not_put_into_effect_gets_a_reboot() -> None:
    world = World(renamed(DBParameterGroups=UNREBOOTED), renamed(DBParameterGroups=UNREBOOTED), renamed())
    await_harmless(world.context)
    assert world.done == ["reboot"]
    assert world.aside.warnings == []


@pytest.mark.parametrize(
    ("state", "reason", "final"),
    [
        (None, "orders-old was deleted", True),
        (renamed(DBInstanceStatus="deleting"), "orders-old is being deleted", True),
        (renamed(DBInstanceStatus="stopped"), "orders-old is stopped", False),
        (renamed(DBInstanceStatus="storage-full"), "orders-old is storage-full", False),
    ],
)
def test_nobody_waits_for_one_that_will_not_answer(
    state: Instance | None, reason: str, *, final: bool
) -> None:
    with ExitStack() as stack:
        result = reach(World(state).context, stack, deadline=1800.0)
    assert isinstance(result, Unreachable)
    assert (str(result), result.final) == (reason, final)


def test_one_that_only_restarts_is_waited_for_and_one_that_refuses_us_is_not() -> None:
    world = World(renamed())
    world.refusals = [Retryable("no connection"), Retryable("no connection")]
    with ExitStack() as stack:
        assert isinstance(reach(world.context, stack, deadline=60.0), FakeSession)
    world.refusals = [ActionRequired("the account is refused")]
    with ExitStack() as stack:
        assert (
            reach(world.context, stack, deadline=60.0)
            == "orders-old cannot be queried (the account is refused)"
        )
    world.refusals = [Retryable("no connection")]
    with ExitStack() as stack:
        result = reach(world.context, stack, deadline=-1.0)
    assert result == "orders-old cannot be reached (no connection)"
