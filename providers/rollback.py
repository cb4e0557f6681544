"""Rollback: gives the source its name back, with every write made since the cutover."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.cutover_protocol import CUTOVER_OUTPUTS, cutover_context, run_protocol, told, warn
from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.cutover import hooks
from rds_encrypt.cutover.direction import rollback_direction
from rds_encrypt.cutover.protocol import follow_up
from rds_encrypt.names import Names
from rds_encrypt.position import Position, by_tags

__all__ = ["Rollback", "RollbackProvider"]


class RollbackProvider(Step):
    """Inputs and outputs are the cutover's, in the other direction. Its delete does nothing."""

    identity = ("encrypted_id", "source_id")
    waits_for_names = True

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Run the protocol backwards, or roll an interrupted one forward; only report a complete one.

        A complete rollback has no tag for its point of no return, so the protocol would start it again: it would undo first, and
        detach the encrypted instance from the source that it follows again.
        """
        direction = rollback_direction(
            Names(inputs["identifier"]), inputs["source_id"], inputs["encrypted_id"]
        )
        tags = context.instances.get(inputs["encrypted_id"]).tags
        if journal.ROLLED_BACK not in tags or by_tags(tags) is not Position.SOURCE:
            return run_protocol(context, inputs, direction)
        # The run that completed it may have died before it did what production does not need.
        cutover = cutover_context(context, inputs, direction)
        path = follow_up(cutover)
        if cutover.hooks.after:
            # As after a cutover, it may run twice.
            with cutover.not_needed("hook `after` did not succeed"):
                hooks.run(cutover, "after", cutover.hooks.after)
        warn(inputs, cutover)
        return {**told(context, direction, tags), "rollback_path": path}


class Rollback(pulumi.dynamic.Resource, module="rds", name="Rollback"):
    """The cutover undone: the source is production again, and the encrypted instance follows it."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    forced_checks: pulumi.Output[list[str]]
    rollback_path: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(RollbackProvider(), name, {**CUTOVER_OUTPUTS, **inputs}, opts)
