"""A plain program: so many resources that mean nothing. It imports no more than any program would.

Parameter groups stand for AWS resources, since they are made at once; a dynamic resource that does nothing stands for a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi.dynamic import CreateResult, ResourceProvider

__all__ = ["Size", "declare"]


@dataclass(frozen=True)
class Size:
    """How many resources a stack declares."""

    components: int
    aws: int
    dynamic: int


def declare(size: Size) -> None:
    """Declare them, spread evenly over the components."""
    parents = [
        pulumi.ResourceOptions(parent=pulumi.ComponentResource("bench:index:Plain", f"plain-{number}"))
        for number in range(size.components)
    ]
    for number in range(size.aws):
        name = f"plain-{number}"
        aws.rds.ParameterGroup(name, name=name, family="mysql8.0", opts=parents[number % size.components])
    for number in range(size.dynamic):
        _Nothing(f"plain-{number}", parents[number % size.components])


class _NothingProvider(ResourceProvider):
    """Makes nothing, and says so at once."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("nothing", props)


class _Nothing(pulumi.dynamic.Resource, module="bench", name="Nothing"):
    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__(_NothingProvider(), name, {}, opts)
