"""Copy slot: notes that the snapshot holds the right coordinates, then waits until the config and AWS allow one more copy."""

from __future__ import annotations

from dataclasses import dataclass

from providers.arguments import StepArgs
from providers.resource import StepResource
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.aws import copies
from rds_encrypt.copy_slots import CopySlots, Queue
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.settings import MOST_COPIES

__all__ = ["CopySlot", "CopySlotArgs", "CopySlotProvider"]

_DEADLINE = 24 * HOUR
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class CopySlotArgs(StepArgs):
    """The arguments of `CopySlot`.

    Attributes:
        snapshot: the snapshot's ARN.
        at_once: how many snapshots of the region may be copied at the same time.
        replica_id: the replica, if the snapshot is one's; it stopped at ``file`` and ``position``.
    """

    snapshot: str
    at_once: int
    replica_id: str | None = None
    file: str | None = None
    position: int | None = None


class CopySlotProvider(Step[CopySlotArgs]):
    """Waits for a copy slot. No outputs."""

    identity = ("source_id",)

    def perform(self, context: StepContext, args: CopySlotArgs) -> Outputs:
        """Wait for a slot and take it; a snapshot that has been copied needs none."""
        if args.replica_id is not None and args.file is not None and args.position is not None:
            _note_unmoved(context, args.snapshot, args.replica_id, Coordinates(args.file, args.position))
        queue = Queue(context.aws, args.snapshot, args.source_id, args.at_once)
        until(
            Wait(
                what="a copy slot",
                deadline=_DEADLINE,
                longest=15.0,
                advice=f"Check whether the copies in progress finish. AWS allows {MOST_COPIES} at a time, and"
                f" `fleet.copiesAtOnce` is {args.at_once}",
                where=queue.name,
            ),
            queue.look,
            done=queue.may_begin,
            describe=_told,
            progress=context.progress,
        )
        return {}


def _note_unmoved(context: StepContext, snapshot: str, replica_id: str, coordinates: Coordinates) -> None:
    """Note on the snapshot that the replica has not moved since it stopped: from now on, rebooting it changes nothing.

    RDS reboots replicas, which starts their replication (RDS-EVENT-0396). If that has happened already, this notes nothing, and the
    step that attaches the encrypted instance reports it.
    """
    replica = context.instances.find(replica_id)
    if replica is None or not replica.serving:
        return
    with context.access.session(replica) as session:
        status = channel.status(session)
    if status is not None and status.stopped and status.executed == coordinates:
        copies.tag(context.aws, snapshot, {Tag.UNMOVED: str(coordinates)})


def _told(found: CopySlots | None) -> str:
    if found is None:
        return "waiting for a copy slot"
    named, more = found.busy[:_NAMED], len(found.busy) - _NAMED
    return (
        f"waiting for {len(found.busy)} copies: {', '.join(named)}{f' and {more} more' if more > 0 else ''}"
    )


class CopySlot(StepResource, provider=CopySlotProvider):
    """The copy slot of a source's snapshot."""
