"""Rollback: gives the source its name back, with every write made since the cutover."""

from __future__ import annotations

import pulumi

from providers.cutover_protocol import ProtocolArgs, cutover_context, outputs_from_tags, run_protocol, warn
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.cutover import hooks
from rds_encrypt.cutover.direction import rollback_direction
from rds_encrypt.cutover.protocol import clear, follow_up
from rds_encrypt.state import state_of

__all__ = ["Rollback", "RollbackProvider"]


class RollbackProvider(Step[ProtocolArgs]):
    """Gives the name back. Arguments and outputs are the cutover's, in the other direction. Its delete does nothing."""

    identity = ("encrypted_id", "source_id")
    waits_for_names = True

    def perform(self, context: StepContext, args: ProtocolArgs) -> Outputs:
        """Run the protocol backwards, or roll an interrupted one forward; only report a complete one.

        A complete rollback has no tag for its point of no return, so the protocol would start it again: it would undo first, and
        detach the encrypted instance from the source that it follows again.
        """
        direction = rollback_direction(args.names, args.source_id, args.encrypted_id)
        state = state_of(encrypted=context.instances.get(args.encrypted_id))
        if state.cutover_begun or not state.rolled_back:
            return run_protocol(context, args, direction)
        # The run that completed it may have died before it did what production does not need, or AWS may have refused that.
        cutover = cutover_context(context, args, direction)
        clear(cutover)
        path = follow_up(cutover)
        with cutover.not_needed("hook `after` did not succeed"):
            hooks.run(cutover, "after")  # as after a cutover, it may run twice
        warn(args, cutover)
        return {**outputs_from_tags(context, direction, state), "rollback_path": path}


class Rollback(StepResource, provider=RollbackProvider):
    """The cutover undone: the source is production again, and the encrypted instance follows it."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    accepted_checks: pulumi.Output[list[str]]
    rollback_path: pulumi.Output[str]
