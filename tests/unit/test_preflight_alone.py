"""A refused phase ends a run for all sources, or for this one alone where the engine can then do it no harm."""

from __future__ import annotations

from typing import Any

import pytest

from providers.arguments import StepArgs, as_inputs
from providers.preflight import PreflightArgs, PreflightProvider
from providers.step import StepContext
from rds_encrypt.core.errors import PreconditionFailed
from tests.unit.fakes import ACCESS

SENTENCES = ["orders: it is a replica. Migrate its source first.", "orders: it is stopped. Start it."]

RECORDED = {
    "identifier": "orders",
    "phase": "replicate",
    "method": "online",
    "strategy": "rename",
    "access": as_inputs(ACCESS),
    "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/k",
}


class Refusing(PreflightProvider):
    """Finds what it is told to find."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = list(sentences)

    def context_of_checks(self, args: StepArgs) -> StepContext:
        return None  # type: ignore[return-value] # nothing looks at it

    def refuse(self, world: StepContext, args: PreflightArgs) -> list[str]:
        return self.sentences


def asked(**moment: Any) -> dict[str, Any]:
    return {**RECORDED, "fleet": [], **moment}


@pytest.mark.parametrize("moment", [{"alone": True, "preview": True}, {"alone": False, "preview": False}])
def test_a_preview_and_a_dangerous_moment_end_it_for_all(moment: dict[str, bool]) -> None:
    result = Refusing(*SENTENCES).check({}, asked(**moment))
    assert [failure.reason for failure in result.failures] == SENTENCES
    assert result.inputs == RECORDED


def test_in_a_run_the_resource_fails_and_nothing_else() -> None:
    provider = Refusing(*SENTENCES)
    before = dict(RECORDED)
    result = provider.check(before, asked(alone=True, preview=False))
    assert result.failures == []
    # As the engine goes on: something has changed, so it updates, or creates.
    assert provider.diff("orders", before, result.inputs).changes
    assert not provider.diff("orders", before, result.inputs).replaces
    with pytest.raises(PreconditionFailed) as updating:
        provider.update("orders", before, result.inputs)
    assert str(updating.value) == " ".join(SENTENCES)
    with pytest.raises(PreconditionFailed):
        provider.perform(None, provider.read_args(result.inputs))  # type: ignore[arg-type] # nothing looks at it


def test_without_an_obstacle_nothing_of_the_moment_is_recorded() -> None:
    provider = Refusing()
    result = provider.check({}, asked(alone=True, preview=False))
    assert (result.failures, result.inputs) == ([], RECORDED)
    assert not provider.diff("orders", result.inputs, result.inputs).changes
    assert provider.update("orders", result.inputs, result.inputs).outs == result.inputs
