"""Preflight: everything that can be known before anything is touched is checked when a preview runs."""

from __future__ import annotations

from typing import Any

import pulumi

from foundation.errors import MigrationError
from migration import preflight
from migration.names import Names
from migration.preflight import Plan
from migration.survey import Survey, survey
from providers.step import Inputs, Outputs, Step, World
from replication.dialect import dialect_of

__all__ = ["Preflight", "PreflightProvider"]


class PreflightProvider(Step):
    """Inputs: ``identifier``, ``phase``, ``mode``, ``kms_key_arn``. Outputs: the same, as checked."""

    identity = ("identifier",)

    def refuse(self, world: World, inputs: Inputs) -> list[str]:
        """Return what stands in the way of this phase, read-only."""
        try:
            found = survey(world.aws, Names.of(inputs["identifier"]))
            plan = Plan(inputs["phase"], inputs["mode"], found)
            obstacles = [str(finding) for finding in preflight.findings(world.aws, plan)]
            return obstacles or _unreachable(world, found)
        except MigrationError as error:
            return [str(error)]

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Nothing to do: the check has already spoken."""
        return {}


def _unreachable(world: World, found: Survey) -> list[str]:
    """Open a session, so that a wrong secret, network path or certificate shows now and not in the middle."""
    for instance in (found.source, found.encrypted):
        if instance is not None and instance.available:
            with world.access.session(instance) as session:
                dialect_of(session)
    return []


class Preflight(pulumi.dynamic.Resource, module="rds", name="Preflight"):
    """The checks that a phase must pass, as a resource that fails the preview if one does not."""

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(PreflightProvider(), name, inputs, opts)
