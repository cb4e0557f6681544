"""Copy slot: notes that the snapshot holds the right coordinates, then waits until the config and AWS allow one more copy."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.step import HOUR, Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.aws import copies
from rds_encrypt.aws.copies import AT_ONCE
from rds_encrypt.copy_slots import CopySlots, Queue
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.coordinates import Coordinates

__all__ = ["CopySlot", "CopySlotProvider"]

_DEADLINE = 24 * HOUR
_NAMED = 3


class CopySlotProvider(Step):
    """Inputs: ``source_id``, ``snapshot`` (its ARN), ``at_once``; for a replica's snapshot also ``replica_id``, ``file`` and
    ``position``, the coordinates at which the replica stopped. Outputs: the same.
    """

    identity = ("source_id",)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Wait for a slot and take it; a snapshot that has been copied needs none."""
        if inputs.get("replica_id"):
            _note_unmoved(context, inputs)
        at_once = int(inputs["at_once"])
        queue = Queue(context.aws, inputs["snapshot"], inputs["source_id"], at_once)
        until(
            Wait(
                what="a copy slot",
                deadline=_DEADLINE,
                longest=15.0,
                advice=f"Check whether the copies in progress finish. AWS allows {AT_ONCE} at a time, and"
                f" `fleet.copiesAtOnce` is {at_once}",
                where=queue.name,
            ),
            queue.look,
            done=queue.may_begin,
            describe=_told,
            progress=context.progress,
        )
        return {}


def _note_unmoved(context: StepContext, inputs: Inputs) -> None:
    """Note on the snapshot that the replica has not moved since it stopped: from now on, rebooting it changes nothing.

    RDS reboots replicas, which starts their replication (RDS-EVENT-0396). If that has happened already, this notes nothing, and the
    step that attaches the encrypted instance reports it.
    """
    replica = context.usable(inputs["replica_id"])
    if replica is None:
        return
    coordinates = Coordinates(inputs["file"], int(inputs["position"]))
    with context.access.session(replica) as session:
        status = channel.status(session)
    if status is not None and status.stopped and status.executed == coordinates:
        copies.tag(context.aws, inputs["snapshot"], {journal.UNMOVED: str(coordinates)})


def _told(found: CopySlots | None) -> str:
    if found is None:
        return "waiting for a copy slot"
    named, more = found.busy[:_NAMED], len(found.busy) - _NAMED
    return (
        f"waiting for {len(found.busy)} copies: {', '.join(named)}{f' and {more} more' if more > 0 else ''}"
    )


class CopySlot(pulumi.dynamic.Resource, module="rds", name="CopySlot"):
    """The copy slot of a source's snapshot."""

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CopySlotProvider(), name, inputs, opts)
