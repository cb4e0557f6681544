"""Copy slot: notes that the snapshot holds what it should, then waits until fewer snapshots are being copied than the config and AWS allow at a time."""

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
    """Inputs: ``source_id``, ``snapshot`` (its ARN), ``at_once``; of a replica's snapshot also ``replica_id``, ``file`` and ``position``, the
    coordinates at which the replica was stopped. Outputs: the same.
    """

    identity = ("source_id",)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Wait for the turn and take it; a snapshot that has been copied needs none."""
        if inputs.get("replica_id"):
            _note_unmoved(context, inputs)
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


def _note_unmoved(context: StepContext, inputs: Inputs) -> None:
    """Note on the snapshot that the replica still stands where it was stopped: from now on, a reboot of it changes nothing.

    RDS reboots replicas, and starts their replication then (RDS-EVENT-0396). Where that has happened already, nothing is noted, and the
    step that attaches the encrypted instance says so.
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
        return "waiting for its turn to be copied"
    named, more = found.busy[:_NAMED], len(found.busy) - _NAMED
    return (
        f"waiting for {len(found.busy)} copies: {', '.join(named)}{f' and {more} more' if more > 0 else ''}"
    )


class CopySlot(pulumi.dynamic.Resource, module="rds", name="CopySlot"):
    """The turn of a source's snapshot to be copied."""

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CopySlotProvider(), name, inputs, opts)
