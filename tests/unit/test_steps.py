"""Steps: what makes one another step, what is merely recorded, and that they pickle by reference."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from dataclasses import dataclass
from typing import Any, cast

import dill
import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.rpc import UNKNOWN, deserialize_properties

import providers
from providers.arguments import StepArgs
from providers.step import Outputs, Step, StepContext
from rds_encrypt.core.errors import ActionRequired

for module in pkgutil.iter_modules(providers.__path__):
    importlib.import_module(f"providers.{module.name}")
STEPS = sorted(Step.__subclasses__(), key=lambda step: step.__name__)


INPUTS = {"source_id": "db-1", "port": 3306, "access": {"secret_id": "orders/master"}}
STATE = {**INPUTS, "hours": 72, "running": True}


@dataclass(frozen=True, kw_only=True)
class ExampleArgs(StepArgs):
    port: int
    hours: int = 1


class Example(Step[ExampleArgs]):
    """A step that answers from what a test gives it."""

    identity = ("source_id", "port")
    reasons: tuple[str, ...] = ()
    outputs: Outputs | None = None

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def context(self, args: StepArgs) -> StepContext:
        return StepContext(cast(Any, None), cast(Any, None), self.messages.append)

    def context_of_checks(self, args: StepArgs) -> StepContext:
        return self.context(args)

    def refuse(self, context: StepContext, args: ExampleArgs) -> list[str]:
        return list(self.reasons)

    def perform(self, context: StepContext, args: ExampleArgs) -> Outputs:
        context.progress("working")
        return {"running": True}

    def seen(self, context: StepContext, args: ExampleArgs) -> Outputs | None:
        return self.outputs


def test_a_step_that_is_done_says_so_in_its_row() -> None:
    step = Example()
    step.create(INPUTS)
    assert step.messages == ["working", "done"]


def test_there_are_steps() -> None:
    assert {"ClaimProvider", "CutoverProvider", "RetirementProvider"} <= {step.__name__ for step in STEPS}


@pytest.mark.parametrize("step", [step for step in STEPS if step.__module__.startswith("providers.")])
def test_a_step_is_in_the_state_as_a_reference_to_its_module(step: type[Step[StepArgs]]) -> None:
    """Today's code then runs on yesterday's state, and nothing that a step closes over gets into it."""
    pickled = dill.dumps(step(), byref=False, recurse=False)
    assert len(pickled) < 200
    assert step.__module__.encode() in pickled
    assert isinstance(pickle.loads(pickled), step)  # noqa: S301 - our own
    assert step.serialize_as_secret_always is False


@pytest.mark.parametrize("step", [step for step in STEPS if step.__module__.startswith("providers.")])
def test_a_step_has_an_identity(step: type[Step[StepArgs]]) -> None:
    assert step.identity


def test_the_same_inputs_are_no_change() -> None:
    diff = Example().diff("", STATE, {"source_id": "db-1", "port": 3306, "hours": 72})
    assert not diff.changes


def test_outputs_that_are_declared_as_none_are_no_change() -> None:
    assert not Example().diff("", STATE, {"source_id": "db-1", "running": None}).changes


def test_what_is_not_known_yet_may_be_another_value() -> None:
    """A preview shows it as the SDK hands it over: as an object, and as a change, because its resource changes first."""
    news = Struct()
    news.update({"source_id": UNKNOWN, "port": 3306})
    diff = Example().diff("", STATE, deserialize_properties(news, keep_unknowns=True))
    assert (diff.changes, diff.replaces) == (True, ["source_id"])


def test_another_setting_is_recorded_and_the_step_not_done_again() -> None:
    news = {"source_id": "db-1", "port": 3306, "hours": 24}
    diff = Example().diff("", STATE, news)
    assert (diff.changes, diff.replaces) == (True, [])
    assert Example().update("", STATE, news).outs == {**STATE, "hours": 24}


def test_another_identity_is_another_step_and_the_old_one_goes_first() -> None:
    diff = Example().diff("", STATE, {"source_id": "db-2", "port": 3306})
    assert (diff.changes, diff.replaces, diff.delete_before_replace) == (True, ["source_id"], True)


def test_the_urn_for_progress_is_never_a_difference() -> None:
    assert not Example().diff("", {**STATE, "urn": "a"}, {"source_id": "db-1", "urn": "b"}).changes


def test_another_reference_to_the_account_is_recorded_since_deletes_need_it() -> None:
    diff = Example().diff("", {**STATE, "access": {"secret_id": "a"}}, {"access": {"secret_id": "b"}})
    assert (diff.changes, diff.replaces) == (True, [])


def test_create_returns_what_was_seen_under_an_id_that_is_the_same_every_time() -> None:
    created = Example().create(INPUTS)
    assert created.id == "db-1:3306"
    assert created.outs == {**INPUTS, "running": True}


def test_a_step_that_this_run_has_performed_is_not_undone_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--replace`, the engine performs the step and then deletes what has the same id: that is the same thing in the world."""
    monkeypatch.setattr(Step, "_created", set())
    undone: list[str] = []
    monkeypatch.setattr(Example, "undo", lambda *_: undone.append("undone"))
    created = Example().create(INPUTS)
    Example().delete(created.id, STATE)
    assert undone == []
    Example().delete("db-2:3306", STATE)
    assert undone == ["undone"]


def test_read_says_gone_when_the_effect_is_gone() -> None:
    step = Example()
    assert (step.read("x", STATE).id, step.read("x", STATE).outs) == ("", {})
    step.outputs = {"running": False}
    assert step.read("x", STATE).id == "x"
    assert step.read("x", STATE).outs == {**STATE, "running": False}


def test_check_fails_with_a_sentence_and_without_a_property_name() -> None:
    """With a name the engine would print the value of that property beside the sentence."""
    step = Example()
    step.reasons = ("orders: it is encrypted already.",)
    (failure,) = step.check({}, STATE).failures
    assert (failure.property, failure.reason) == ("", "orders: it is encrypted already.")
    assert not Example().check({}, STATE).failures


def test_a_step_that_fails_leaves_the_error_to_the_host() -> None:
    class Failing(Example):
        def perform(self, context: StepContext, args: ExampleArgs) -> dict[str, Any]:
            raise ActionRequired("it is full")

    with pytest.raises(ActionRequired):
        Failing().create(STATE)
