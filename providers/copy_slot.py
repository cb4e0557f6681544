"""Copy slot: notes that the snapshot holds the right coordinates, then waits until the config and AWS allow one more copy."""

from __future__ import annotations

from dataclasses import dataclass

from providers.arguments import StepArgs
from providers.resource import StepResource
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.aws import copies, snapshots
from rds_encrypt.aws.instance import Instance
from rds_encrypt.copy_slots import CopySlots, Queue
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.replica_status import ReplicaStatus
from rds_encrypt.names import Names
from rds_encrypt.settings import MOST_COPIES

__all__ = ["CopySlot", "CopySlotArgs", "CopySlotProvider", "replica_moved", "stayed_at"]

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
            _require_unmoved(context, args, args.replica_id, Coordinates(args.file, args.position))
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
            describe=_describe,
            progress=context.progress,
        )
        return {}


def replica_moved(
    replica: Instance, status: ReplicaStatus | None, coordinates: Coordinates
) -> ActionRequired:
    """Return what to do about a replica that did not stay at the coordinates until its snapshot was complete."""
    return ActionRequired(
        f"the replica should have stopped at {coordinates}, but it is {status or 'no longer a replica'}",
        where=replica.resource_id,
        fix="Its snapshot cannot be trusted: run `pulumi destroy` in phase `replicate`, then `pulumi up`",
        safe="The source is untouched",
    )


def stayed_at(coordinates: Coordinates, status: ReplicaStatus | None) -> bool:
    """Whether a replica is still stopped at its coordinates."""
    return status is not None and status.stopped and status.executed == coordinates


def _require_unmoved(
    context: StepContext, args: CopySlotArgs, replica_id: str, coordinates: Coordinates
) -> None:
    """Note on the snapshot that the replica has not moved since it stopped: from now on, rebooting it changes nothing.

    RDS reboots replicas, which starts their replication (RDS-EVENT-0396). If that has happened already, copy and restore would take
    hours for nothing. A replica that cannot be queried now is left to the step that attaches the encrypted instance.

    Raises:
        ActionRequired: it moved before its snapshot was complete.
    """
    names = Names(context.instances.get(args.source_id).identifier)
    existing = snapshots.existing(context.aws, [names.replica, names.encrypted])
    noted = existing[names.replica].tags.get(Tag.UNMOVED) if names.replica in existing else None
    replica = context.instances.find(replica_id)
    if noted == str(coordinates) or replica is None or not replica.serving:
        return
    with context.access.session(replica) as session:
        status = channel.status(session)
    if stayed_at(coordinates, status):
        copies.tag(context.aws, args.snapshot, {Tag.UNMOVED: str(coordinates)})
    elif names.encrypted not in existing:
        raise replica_moved(replica, status, coordinates)


def _describe(slots: CopySlots | None) -> str:
    if slots is None:
        return "waiting for a copy slot"
    named, more = slots.busy[:_NAMED], len(slots.busy) - _NAMED
    return (
        f"waiting for {len(slots.busy)} copies: {', '.join(named)}{f' and {more} more' if more > 0 else ''}"
    )


class CopySlot(StepResource, provider=CopySlotProvider):
    """The copy slot of a source's snapshot."""
