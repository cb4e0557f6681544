"""A step as a Pulumi resource: its provider names the inputs, its annotations the outputs."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import pulumi

from providers.step import Step

__all__ = ["StepResource", "urn_of"]


class StepResource(pulumi.dynamic.Resource):
    """The base of all steps as resources. Every annotation of a subclass is an output, unknown until the step has run.

    Attributes:
        done: unknown in a preview, and where the step has failed and the engine continues nevertheless.
    """

    provider: ClassVar[type[Step[Any]]]
    done: pulumi.Output[Any]

    def __init_subclass__(cls, *, provider: type[Step[Any]]) -> None:
        super().__init_subclass__(module="rds", name=cls.__name__)
        cls.provider = provider

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
        outputs = dict.fromkeys(self.output_names())
        given = self.provider.arguments.to_inputs(**inputs)
        super().__init__(self.provider(), name, {**outputs, **given}, opts)
        # Any argument will do: after a failure, the engine returns none.
        self.done = self.__dict__["access"]

    @classmethod
    def output_names(cls) -> tuple[str, ...]:
        """Return the names of the outputs."""
        return tuple(inspect.get_annotations(cls))


def urn_of(step: type[StepResource], name: str, parent: pulumi.Resource) -> str:
    """Return the URN that a step will have, so that it can show progress in its own row."""
    chain = f"{parent.pulumi_resource_type}$pulumi-python:{step._resource_type_name}"  # noqa: SLF001 - no public name
    return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{chain}::{name}"
