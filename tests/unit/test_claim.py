"""Whose a source is: one stack's, in one backend; and what is not given up while its name is on the move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from providers.arguments import StepArgs, as_inputs
from providers.claim import ClaimArgs, ClaimProvider
from providers.cutover import CutoverProvider
from providers.deletion_guard import DeletionGuardProvider
from providers.resumed_replication import ResumedReplicationProvider
from providers.rollback import RollbackProvider
from providers.step import Step, StepContext
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import silent
from rds_encrypt.journal import Tag
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.unit.fakes import ACCESS, FakeAws, instance

INPUTS = {
    "source_id": "db-ORDERS",
    "owner": "rds-encrypt/dev",
    "backend": "0123456789ab",
    "access": as_inputs(ACCESS),
}
ARGS = ClaimArgs.from_inputs(INPUTS)


class Tagged(FakeAws):
    """An account whose instances can be tagged."""

    def __init__(self, **tags: Mapping[str, str]) -> None:
        super().__init__(*(instance(name, tags=instance_tags) for name, instance_tags in tags.items()))
        rds = cast(Any, self.rds)
        rds.add_tags_to_resource = self._add
        self._instances = rds._instances

    def tags(self, name: str = "orders") -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self._named(f":{name}")["TagList"]}

    def _add(self, ResourceName: str, Tags: list[dict[str, str]]) -> None:  # noqa: N803 - AWS's names
        description = self._named(ResourceName)
        kept = [tag for tag in description["TagList"] if tag["Key"] not in {new["Key"] for new in Tags}]
        description["TagList"] = [*kept, *Tags]

    def _named(self, arn: str) -> dict[str, Any]:
        return next(entry for entry in self._instances if entry["DBInstanceArn"].endswith(arn))


def context(aws: FakeAws) -> StepContext:
    return StepContext(aws, cast(Any, None), silent)


def at_once(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Skip the second in which others may write their claim; or let them write it then."""
    monkeypatch.setattr("providers.claim.time.sleep", lambda _seconds: meanwhile())


def test_a_source_that_nobody_has_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    aws = Tagged(orders={})
    assert ClaimProvider().perform(context(aws), ARGS) == {"parameter_group": "orders-mysql80"}
    assert (aws.tags()[Tag.OWNER], aws.tags()[Tag.BACKEND]) == ("rds-encrypt/dev", "0123456789ab")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({Tag.OWNER: "rds-encrypt/live"}, "stack rds-encrypt/live is already migrating this instance"),
        (
            {Tag.OWNER: "rds-encrypt/dev", Tag.BACKEND: "another"},
            "stack rds-encrypt/dev in another backend is already migrating this instance",
        ),
    ],
)
def test_a_source_that_somebody_has_is_left_alone(tags: dict[str, str], message: str) -> None:
    aws = Tagged(orders=tags)
    with pytest.raises(ActionRequired, match=message):
        ClaimProvider().perform(context(aws), ARGS)
    assert aws.tags() == tags


@pytest.mark.parametrize("backend", [{}, {Tag.BACKEND: "0123456789ab"}])
def test_a_lost_state_finds_its_claim_again(backend: dict[str, str]) -> None:
    aws = Tagged(orders={Tag.OWNER: "rds-encrypt/dev", **backend})
    ClaimProvider().perform(context(aws), ARGS)
    assert aws.tags()[Tag.BACKEND] == "0123456789ab"


@pytest.mark.parametrize("other", [{Tag.OWNER: "rds-encrypt/live"}, {Tag.BACKEND: "another"}])
def test_of_two_that_claim_at_the_same_moment_the_last_goes_on(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, str]
) -> None:
    aws = Tagged(orders={})

    def write() -> None:
        aws._add(":orders", [{"Key": key, "Value": value} for key, value in other.items()])

    at_once(monkeypatch, write)
    with pytest.raises(ActionRequired, match="is already migrating this instance"):
        ClaimProvider().perform(context(aws), ARGS)


def test_the_same_state_on_another_machine_is_no_difference() -> None:
    olds = {"source_id": "db-ORDERS", "owner": "rds-encrypt/dev", "backend": "of the laptop"}
    assert not ClaimProvider().diff("", olds, {**olds, "backend": "of the build server"}).changes


def test_a_renamed_stack_keeps_its_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Tagged(orders={Tag.OWNER: "rds-encrypt/dev"})
    monkeypatch.setattr(ClaimProvider, "context", lambda _step, _args: context(aws))
    ClaimProvider().update("", INPUTS, {**INPUTS, "owner": "rds-encrypt/live"})
    assert aws.tags()[Tag.OWNER] == "rds-encrypt/live"
    # What another stack has taken over meanwhile stays its own.
    ClaimProvider().update("", INPUTS, {**INPUTS, "owner": "rds-encrypt/third"})
    assert aws.tags()[Tag.OWNER] == "rds-encrypt/live"


def test_what_another_stack_has_taken_over_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    tags: dict[str, str] = {Tag.OWNER: "rds-encrypt/live", Tag.FENCE_BEFORE: "default"}
    aws = Tagged(orders=tags)
    monkeypatch.setattr("providers.claim.lift", lambda *_: pytest.fail("not ours"))
    ClaimProvider().undo(context(aws), ARGS)
    assert aws.tags() == tags


@pytest.mark.parametrize(
    ("tags", "phase"),
    [
        ({}, None),
        ({Tag.CUTOVER_BEGAN: "now"}, "cutover"),
        ({Tag.CUTOVER_BEGAN: "now", Tag.OPENED: "now"}, None),
        ({Tag.CUTOVER_BEGAN: "now", Tag.OPENED: "now", Tag.ROLLBACK_BEGAN: "now"}, "rollback"),
        ({Tag.ROLLED_BACK: "now"}, None),
    ],
)
@pytest.mark.parametrize(
    "step",
    [ClaimProvider, DeletionGuardProvider, CutoverProvider, RollbackProvider, ResumedReplicationProvider],
)
def test_nothing_is_given_up_while_names_move(
    monkeypatch: pytest.MonkeyPatch, step: type[Step[StepArgs]], tags: dict[str, str], phase: str | None
) -> None:
    aws = Tagged(orders={Tag.PARTNER: "db-PARTNER"}, partner=tags)
    undone = []
    monkeypatch.setattr(step, "context", lambda _step, _inputs: context(aws))
    monkeypatch.setattr(step, "undo", lambda *_: undone.append(step))
    state: dict[str, Any] = {
        "identifier": "orders",
        "encrypted_id": "db-PARTNER",
        "replica_id": "db-R",
        "source_group": "g",
        **INPUTS,
    }
    state |= {"cutover": as_inputs(CutoverSettings()), "verify": as_inputs(VerifySettings())}
    if phase is None:
        step().delete("", state)
        assert undone == [step]
    else:
        with pytest.raises(
            ActionRequired,
            match=f"`pulumi up` in phase `{phase}`, with the source in `sources`, which completes the move",
        ):
            step().delete("", state)
        assert undone == []


def test_where_the_source_is_gone_after_its_cut_over_a_new_state_has_nothing_to_claim() -> None:
    tags: dict[str, str] = {Tag.ROLE: "encrypted", Tag.MIGRATION: "db-ORDERS"}
    aws = FakeAws(
        instance("orders", DbiResourceId="db-E", tags={**tags, Tag.CUTOVER_BEGAN: "1", Tag.OPENED: "2"})
    )
    assert ClaimProvider().perform(context(aws), ARGS) == {"parameter_group": ""}
    with pytest.raises(ActionRequired, match="no longer exists"):
        ClaimProvider().perform(context(FakeAws(instance("orders", DbiResourceId="db-E", tags=tags))), ARGS)
