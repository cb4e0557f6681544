"""Roll-back: the source has its name again, with every write made since the cut-over."""

from __future__ import annotations

from typing import Any

import pulumi

from migration.cutover.course import rollback_course
from migration.names import Names
from providers.step import Inputs, Outputs, Step, World
from providers.swap import SWAP_OUTPUTS, perform_swap

__all__ = ["RollBack", "RollBackProvider"]


class RollBackProvider(Step):
    """Inputs and outputs: as for the cut-over, in the other direction. Its delete does nothing: there is nothing to undo."""

    identity = ("encrypted_id", "source_id")

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Run the protocol backwards, or roll an interrupted one forward."""
        course = rollback_course(Names(inputs["identifier"]), inputs["source_id"], inputs["encrypted_id"])
        return perform_swap(world, inputs, course)


class RollBack(pulumi.dynamic.Resource, module="rds", name="RollBack"):
    """The swap undone: the source is production again, and the encrypted instance follows it."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    forced_guards: pulumi.Output[list[str]]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(RollBackProvider(), name, {**SWAP_OUTPUTS, **inputs}, opts)
