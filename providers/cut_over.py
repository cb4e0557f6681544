"""Cut-over: the source's name goes to the encrypted instance; the protocol is in ``migration.cutover``."""

from __future__ import annotations

from typing import Any

import pulumi

from migration.cutover.course import cut_over_course
from migration.names import Names
from providers.step import Inputs, Outputs, Step, World
from providers.swap import SWAP_OUTPUTS, close_way_back, perform_swap

__all__ = ["CutOver", "CutOverProvider"]


class CutOverProvider(Step):
    """Inputs: see ``providers.swap``. Outputs: ``server_uuid`` that answers at the name now, ``final_coordinates``,
    ``timeline``, ``write_outage``, ``unenabled_events``, ``forced_guards``.
    """

    identity = ("encrypted_id", "source_id")

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Run the protocol, or roll an interrupted one forward."""
        course = cut_over_course(Names(inputs["identifier"]), inputs["source_id"], inputs["encrypted_id"])
        return perform_swap(world, inputs, course)

    def undo(self, world: World, props: Inputs) -> None:
        """The swap stays; only the way back ends, since nobody will look after it any more."""
        close_way_back(world, props["source_id"], props["encrypted_id"])


class CutOver(pulumi.dynamic.Resource, module="rds", name="CutOver"):
    """The swap: done once, never undone by a delete."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    forced_guards: pulumi.Output[list[str]]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CutOverProvider(), name, {**SWAP_OUTPUTS, **inputs}, opts)
