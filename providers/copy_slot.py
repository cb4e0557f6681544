"""Copy turn: waits until fewer snapshots are being copied than the config and AWS allow at a time."""

from __future__ import annotations

from typing import Any

import pulumi

from controlplane.copies import AT_ONCE
from foundation.waiting import Wait, until
from migration.copy_slots import CopySlots, Queue
from providers.step import HOUR, Inputs, Outputs, Step, StepContext

__all__ = ["CopySlot", "CopySlotProvider"]

_DEADLINE = 24 * HOUR
_NAMED = 3


class CopySlotProvider(Step):
    """Inputs: ``source_id``, ``snapshot`` (its ARN), ``at_once``. Outputs: the same."""

    identity = ("source_id",)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Wait for the turn and take it; a snapshot that has been copied needs none."""
        at_once = int(inputs["at_once"])
        queue = Queue(context.aws, inputs["snapshot"], inputs["source_id"], at_once)
        until(
            Wait(
                what="its turn to be copied",
                deadline=_DEADLINE,
                longest=15.0,
                advice=f"See whether the copies in progress come to an end. AWS allows {AT_ONCE} at a time, and"
                f" `fleet.copiesAtOnce` is {at_once}",
                where=queue.name,
            ),
            queue.look,
            done=queue.may_begin,
            describe=_told,
            progress=context.progress,
        )
        return {}


def _told(found: CopySlots | None) -> str:
    if found is None:
        return "waiting for its turn to be copied"
    named, more = found.busy[:_NAMED], len(found.busy) - _NAMED
    return (
        f"waiting for {len(found.busy)} copies: {', '.join(named)}{f' and {more} more' if more > 0 else ''}"
    )


class CopySlot(pulumi.dynamic.Resource, module="rds", name="CopySlot"):
    """The turn of a source's snapshot to be copied."""

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CopySlotProvider(), name, inputs, opts)
