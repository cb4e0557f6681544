"""DeletionGuard ends a migration: what a run killed right after opening production left undone is finished then, or reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from pulumi.output import UNKNOWN

from providers.arguments import PairArgs, as_inputs
from providers.deletion_guard import DeletionGuardProvider
from providers.step import StepContext
from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import Retryable
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover import due_events
from rds_encrypt.cutover.account_fence import AccountFence, digest
from rds_encrypt.cutover.fence import ParameterGroupFence
from rds_encrypt.cutover.fences import fence_left
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.mysql import events
from rds_encrypt.mysql.accounts import Account
from rds_encrypt.names import Names
from tests.unit.fakes import ACCESS, FakeAws, FakeSession, cutover_context, instance

NAMES = Names("orders")
ARGS = PairArgs(identifier="orders", source_id="db-ORDERS", encrypted_id="db-E", access=ACCESS)
MOVED = {**tags_for(Role.ENCRYPTED, "db-ORDERS"), Tag.CUTOVER_BEGAN: "1"}
ASLEEP = {"s": "shop", "n": "tidy", "d": "admin@%", "st": "REPLICA_SIDE_DISABLED"}


def server() -> FakeSession:
    return FakeSession(
        {
            "SELECT event_schema": [ASLEEP],
            "SELECT CURRENT_USER()": [{"who": "admin@%"}],
            "SELECT user AS u": [{"u": name, "h": "%", "locked": 1} for name in ("app", "clerk")],
        }
    )


def production(**tags: str) -> Instance:
    return instance("orders", {**MOVED, **tags}, DbiResourceId="db-E")


class Place:
    """An account with production alone, and a session on it."""

    def __init__(self, only_instance: Instance, *, away: bool = False) -> None:
        self.session_there = server()
        self._away = away
        self.context = StepContext(FakeAws(only_instance, read_only="0"), cast(Access, self), silent)

    @contextmanager
    def session(self, _instance: Instance, **_options: float) -> Iterator[FakeSession]:
        if self._away:
            raise Retryable("it cannot be reached")
        yield self.session_there

    @property
    def changed(self) -> list[str]:
        return [statement.split("@")[0] for statement, _ in self.session_there.sent if "ALTER" in statement]


@pytest.fixture(autouse=True)
def no_groups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    warnings: list[str] = []
    monkeypatch.setattr("providers.deletion_guard.ParameterGroups.delete_unused", lambda *_: None)
    monkeypatch.setattr("providers.deletion_guard.warning_for", lambda _urn: warnings.append)
    return warnings


@pytest.mark.parametrize(
    ("tags", "refused"), [({**MOVED, Tag.OPENED: "2"}, True), (tags_for(Role.ENCRYPTED, "db-ORDERS"), False)]
)
def test_no_other_instance_takes_the_place_of_production(
    monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], *, refused: bool
) -> None:
    aws = FakeAws(instance("orders-old"), instance("orders", tags, DbiResourceId="db-E"))
    place = StepContext(aws, cast(Access, None), silent)
    monkeypatch.setattr(DeletionGuardProvider, "context_of_checks", lambda _step, _args: place)
    olds: dict[str, Any] = {
        "identifier": "orders",
        "source_id": "db-ORDERS-OLD",
        "encrypted_id": "db-E",
        "access": as_inputs(ACCESS),
    }
    assert DeletionGuardProvider().check(olds, olds).failures == []
    failures = DeletionGuardProvider().check(olds, {**olds, "encrypted_id": UNKNOWN}).failures
    assert [("it carries production" in failure.reason) for failure in failures] == [True] * refused


def test_events_and_accounts_that_were_left_are_settled() -> None:
    (event,) = events.inventory(server())
    noted = due_events.note(FakeSession({"SELECT event_schema": [{**ASLEEP, "st": "ENABLED"}]}), server())[
        Tag.EVENTS
    ]
    assert not event.enabled
    before = digest(Account("clerk", "%", locked=True))
    place = Place(production(**{Tag.EVENTS: noted, Tag.FENCE_NOTE: "accounts", Tag.LOCKED_BEFORE: before}))
    DeletionGuardProvider().undo(place.context, ARGS)
    unlocked = [arguments for statement, arguments in place.session_there.sent if "UNLOCK" in statement]
    assert unlocked == [("app", "%")]
    assert any("EVENT `shop`.`tidy` ENABLE" in statement for statement, _ in place.session_there.sent)


def test_where_nothing_was_left_nobody_asks() -> None:
    place = Place(production(), away=True)
    DeletionGuardProvider().undo(place.context, ARGS)
    assert place.changed == []


def test_what_cannot_be_settled_is_told(no_groups: list[str]) -> None:
    DeletionGuardProvider().undo(Place(production(**{Tag.EVENTS: "0123abcd"}), away=True).context, ARGS)
    assert len(no_groups) == 1
    assert "check that all accounts are unlocked and all events enabled" in no_groups[0]


@pytest.mark.parametrize(
    ("note", "kind"), [({}, ParameterGroupFence), ({Tag.FENCE_NOTE: "accounts"}, AccountFence)]
)
@pytest.mark.parametrize("there", [[], [instance("orders-old", DbiResourceId="db-ORDERS")]])
def test_the_fence_around_an_instance_that_is_gone_or_has_lost_its_tags_is_known_from_the_other(
    there: list[Instance], note: dict[str, str], kind: type[Any]
) -> None:
    aws = FakeAws(production(**note), *there)
    assert isinstance(fence_left(cutover_context(aws, "db-E"), "orders-mysql80"), kind)


@pytest.mark.parametrize(("word", "lifted"), [("default", "reset"), ("off", "set to 0"), (None, "")])
def test_the_owners_group_gets_its_value_back_without_the_instance(word: str | None, lifted: str) -> None:
    done: list[str] = []

    class Groups:
        def reset_now(self, _group: str, _names: list[str]) -> None:
            done.append("reset")

        def set_now(self, _group: str, values: dict[str, str]) -> None:
            done.append(f"set to {values['read_only']}")

    context = StepContext(FakeAws(), cast(Any, None), silent)
    fence = ParameterGroupFence(context.instances, cast(Any, Groups()), "db-ORDERS", "orders-mysql80", word)
    assert fence.put_back() is (word is not None)
    assert done == ([lifted] if lifted else [])
    # Another tool has removed the tags of the instance.
    context = StepContext(FakeAws(instance()), cast(Any, None), silent)
    fence = ParameterGroupFence(context.instances, cast(Any, Groups()), "db-ORDERS", "orders-mysql80", word)
    assert fence.put_back() is (word is not None)
    assert done == ([lifted, lifted] if lifted else [])
    assert fence.note({Tag.FENCE_BEFORE: "off"}) == {Tag.FENCE_NOTE: "off"}
