"""Roll-back: the source has its name again, with every write made since the cut-over."""

from __future__ import annotations

from typing import Any

import pulumi

from migration import journal
from migration.cutover import hooks
from migration.cutover.course import rollback_course
from migration.cutover.protocol import follow_up
from migration.names import Names
from migration.position import Position, by_tags
from providers.step import Inputs, Outputs, Step, World
from providers.swap import SWAP_OUTPUTS, perform_swap, site_of, told, warn

__all__ = ["RollBack", "RollBackProvider"]


class RollBackProvider(Step):
    """Inputs and outputs: as for the cut-over, in the other direction. Its delete does nothing: there is nothing to undo."""

    identity = ("encrypted_id", "source_id")
    at_rest = True

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Run the protocol backwards, or roll an interrupted one forward; one that is complete is only told.

        Nothing marks its point of no return any more, so the protocol would take it for one that has not begun: it would begin by
        undoing, and detach the encrypted instance from the source that it follows again.
        """
        course = rollback_course(Names(inputs["identifier"]), inputs["source_id"], inputs["encrypted_id"])
        tags = world.instances.get(inputs["encrypted_id"]).tags
        if journal.ROLLED_BACK not in tags or by_tags(tags) is not Position.SOURCE:
            return perform_swap(world, inputs, course)
        # The run that completed it may have died before it had done all that production does not need.
        site = site_of(world, inputs, course)
        path = follow_up(site)
        if site.hooks.after:
            # As after a cut-over, it may be run twice.
            with site.not_needed("what the hook `after` is for has not happened"):
                hooks.run(site, "after", site.hooks.after)
        warn(inputs, site)
        return {**told(world, course, tags), "rollback_path": path}


class RollBack(pulumi.dynamic.Resource, module="rds", name="RollBack"):
    """The swap undone: the source is production again, and the encrypted instance follows it."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    forced_guards: pulumi.Output[list[str]]
    rollback_path: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(RollBackProvider(), name, {**SWAP_OUTPUTS, **inputs}, opts)
