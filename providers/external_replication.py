"""External replication: makes the encrypted instance follow the source from the recorded coordinates on."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from providers.arguments import EncryptedArgs, ReplicaArgs
from providers.copy_slot import replica_moved, stayed_at
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.access import endpoint_of
from rds_encrypt.aws import snapshots
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import accounts, channel
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.replication_errors import mended_by_attaching
from rds_encrypt.mysql.session import Session
from rds_encrypt.names import Names
from rds_encrypt.state import state_of

__all__ = ["ExternalReplication", "ExternalReplicationArgs", "ExternalReplicationProvider"]


_RESTORED = 900.0
"""Seconds for which RDS may take an instance restored from a replica's snapshot for a read replica."""


@dataclass(frozen=True, kw_only=True)
class ExternalReplicationArgs(EncryptedArgs, ReplicaArgs):
    """The arguments of `ExternalReplication`: the replica stopped at ``file`` and ``position``."""

    file: str
    position: int

    @property
    def coordinates(self) -> Coordinates:
        """The coordinates of the snapshot."""
        return Coordinates(self.file, self.position)


class ExternalReplicationProvider(Step[ExternalReplicationArgs]):
    """Attaches the encrypted instance to the source. Outputs: ``running``."""

    identity = ("encrypted_id", "source_id")

    def perform(self, context: StepContext, args: ExternalReplicationArgs) -> Outputs:
        """Attach the encrypted instance if it is not attached yet, and start replication."""
        source, encrypted = context.instances.get_several(args.source_id, args.encrypted_id)
        if state_of(encrypted=encrypted).cutover_begun:
            return {"running": False}  # The state was lost after the cutover: production has no source.
        with context.access.session(encrypted) as follower:
            attached = channel.status(follower)
            if attached is None or attached.of_rds or attached.source_host != source.address:
                self._attach(context, args, source, encrypted, follower)
            elif not _starts(follower):
                self._attach_again(context, args, follower)
            context.instances.tag(source.resource_id, {Tag.ATTACHED: args.encrypted_id})
            return {"running": channel.start(follower).running}

    def seen(self, context: StepContext, args: ExternalReplicationArgs) -> Outputs | None:
        """Tell whether the instance still follows; once the names have begun to move it should not."""
        encrypted = context.usable(args.encrypted_id)
        if encrypted is None or state_of(encrypted=encrypted).cutover_begun:
            return {}
        with context.access.session(encrypted) as session:
            status = channel.status(session)
        if status is None or status.stopped or status.failure(session.endpoint) is not None:
            return None
        return {}

    def undo(self, context: StepContext, args: ExternalReplicationArgs) -> None:
        """Detach the instance if it exists and is attached."""
        encrypted = context.usable(args.encrypted_id)
        if encrypted is None:
            return
        with context.access.session(encrypted) as session:
            channel.detach(session)

    def _attach(
        self,
        context: StepContext,
        args: ExternalReplicationArgs,
        source: Instance,
        encrypted: Instance,
        follower: Session,
    ) -> None:
        _require_snapshot_at(context, args, source, encrypted)
        replica, source = context.instances.get_several(args.replica_id, args.source_id)
        coordinates = args.coordinates
        self._require_snapshot_of_unmoved(context, source, replica, coordinates)
        with context.access.session(source) as session:
            account = accounts.issue(session, accounts.REPLICATION_USER)
        # An earlier verification does not cover what replicates from now on.
        context.instances.untag(source, [Tag.VERIFIED])
        channel.attach(
            follower,
            endpoint_of(source),
            account,
            coordinates,
            patience=_RESTORED,
            progress=context.progress,
        )

    def _attach_again(self, context: StepContext, args: ExternalReplicationArgs, follower: Session) -> None:
        """Attach it again at the coordinates it has executed, with a new password; drop what it fetched but did not execute."""
        stands = channel.stop(follower)
        source = context.instances.get(args.source_id)
        with context.access.session(source) as session:
            account = accounts.issue(session, accounts.REPLICATION_USER)
        channel.attach(follower, endpoint_of(source), account, stands.executed)

    def _require_snapshot_of_unmoved(
        self, context: StepContext, source: Instance, replica: Instance, coordinates: Coordinates
    ) -> None:
        """Require that the replica did not move before its snapshot was complete: then the snapshot holds those coordinates.

        A reboot starts its replication. Either CopySlot noted on the snapshot that it had not moved, or it still has not.
        """
        snapshot = snapshots.tags_of(context.aws, Names(source.identifier).replica) or {}
        if snapshot.get(Tag.UNMOVED) == str(coordinates):
            return
        with context.access.session(replica) as session:
            status = channel.status(session)
        if not stayed_at(coordinates, status):
            raise replica_moved(replica, status, coordinates)


def _starts(encrypted: Session) -> bool:
    """Whether replication starts; false if it must be attached again first."""
    try:
        channel.start(encrypted)
    except ActionRequired:
        status = channel.status(encrypted)
        if status is None or not mended_by_attaching(status.error):
            raise
        return False
    return True


def _require_snapshot_at(
    context: StepContext, args: ExternalReplicationArgs, source: Instance, encrypted: Instance
) -> None:
    """Require that the coordinates are those of the instance's snapshot, and that it has executed nothing since.

    A replica that was deleted and created again stops elsewhere than the snapshot of the former one.
    """
    coordinates = args.coordinates
    copy = snapshots.tags_of(context.aws, Names(source.identifier).encrypted) or {}
    if source.tags.get(Tag.ATTACHED) == encrypted.resource_id:
        what = "its replication channel was reset, so its coordinates are unknown"
    elif copy.get(Tag.COORDINATES) != str(coordinates):
        holds = copy.get(Tag.COORDINATES, "unknown coordinates")
        what = f"its snapshot was taken at {holds}, but replication would begin at {coordinates}"
    else:
        return
    raise ActionRequired(
        what,
        where=encrypted.identifier,
        fix="Run `pulumi destroy` in phase `replicate`, then `pulumi up`, which begins with a new snapshot",
        safe="The source is untouched",
    )


class ExternalReplication(StepResource, provider=ExternalReplicationProvider):
    """The channel from the source to the encrypted instance."""

    running: pulumi.Output[bool]
