"""External replication: the encrypted instance follows the source from the recorded coordinates on."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.access import endpoint_of
from rds_encrypt.aws import snapshots
from rds_encrypt.aws.instances import Instance
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.mysql import accounts, channel
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.replication_errors import mended_by_attaching
from rds_encrypt.mysql.session import Session
from rds_encrypt.names import Names

__all__ = ["ExternalReplication", "ExternalReplicationProvider"]


_RESTORED = 900.0
"""Seconds that RDS may go on taking an instance for a read replica after it was restored from a replica's snapshot."""


class ExternalReplicationProvider(Step):
    """Inputs: ``encrypted_id``, ``source_id``, ``replica_id``, ``file``, ``position``. Outputs: ``running``."""

    identity = ("encrypted_id", "source_id")

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Attach the encrypted instance if it follows nobody yet, and start it."""
        source, encrypted = context.instances.get_several(inputs["source_id"], inputs["encrypted_id"])
        if journal.cutover_begun(encrypted.tags):
            return {"running": False}  # A state that was lost after the cutover: production follows nobody.
        with context.access.session(encrypted) as follower:
            attached = channel.status(follower)
            if attached is None or attached.source_host != source.address:
                self._attach(context, inputs, source, encrypted, follower)
            elif not _starts(follower):
                self._attach_again(context, inputs, follower)
            context.instances.tag(source.resource_id, {journal.ATTACHED: inputs["encrypted_id"]})
            return {"running": channel.start(follower).running}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the instance still follows; once the names have begun to move it should not."""
        encrypted = context.usable(props["encrypted_id"])
        if encrypted is None or journal.cutover_begun(encrypted.tags):
            return dict(props)
        with context.access.session(encrypted) as session:
            status = channel.status(session)
        if status is None or status.stopped or status.failure(session.endpoint) is not None:
            return None
        return dict(props)

    def undo(self, context: StepContext, props: Inputs) -> None:
        """Detach an instance that follows; one that is gone, or follows nobody, needs nothing."""
        encrypted = context.usable(props["encrypted_id"])
        if encrypted is None:
            return
        with context.access.session(encrypted) as session:
            channel.detach(session)

    def _attach(
        self, context: StepContext, inputs: Inputs, source: Instance, encrypted: Instance, follower: Session
    ) -> None:
        _require_snapshot_at(context, inputs, source, encrypted)
        replica, source = context.instances.get_several(inputs["replica_id"], inputs["source_id"])
        coordinates = _recorded(inputs)
        self._require_snapshot_of_unmoved(context, source, replica, coordinates)
        with context.access.session(source) as session:
            account = accounts.issue(session, accounts.REPLICATION_USER)
        # What was verified before does not speak for what follows from now on.
        context.instances.untag(source, [journal.VERIFIED])
        channel.attach(
            follower,
            endpoint_of(source),
            account,
            coordinates,
            patience=_RESTORED,
            progress=context.progress,
        )

    def _attach_again(self, context: StepContext, inputs: Inputs, follower: Session) -> None:
        """Let it go on from what it has executed, with a new password and without what it had fetched and not executed."""
        stands = channel.stop(follower)
        source = context.instances.get(inputs["source_id"])
        with context.access.session(source) as session:
            account = accounts.issue(session, accounts.REPLICATION_USER)
        channel.attach(follower, endpoint_of(source), account, stands.executed)

    def _require_snapshot_of_unmoved(
        self, context: StepContext, source: Instance, replica: Instance, coordinates: Coordinates
    ) -> None:
        """Require that the replica did not move before its snapshot was complete: then the snapshot holds those coordinates.

        A reboot starts its replication. Either it was seen right after the snapshot, and noted there, or it has not moved until now.
        """
        snapshot = snapshots.tags_of(context.aws, Names(source.identifier).replica) or {}
        if snapshot.get(journal.UNMOVED) == str(coordinates):
            return
        with context.access.session(replica) as session:
            status = channel.status(session)
        if status is None or not status.stopped or status.executed != coordinates:
            raise ActionRequired(
                f"the replica should have stopped at {coordinates}, but it is {status or 'no replica any more'}",
                where=replica.resource_id,
                fix="Its snapshot cannot be trusted: run `pulumi destroy` in phase `replicate`, then `pulumi up`",
                safe="The source is untouched",
            )


def _recorded(inputs: Inputs) -> Coordinates:
    return Coordinates(inputs["file"], int(inputs["position"]))


def _starts(encrypted: Session) -> bool:
    """Whether replication starts; false if it only will when it is attached once more."""
    try:
        channel.start(encrypted)
    except ActionRequired:
        found = channel.status(encrypted)
        if found is None or not mended_by_attaching(found.error):
            raise
        return False
    return True


def _require_snapshot_at(context: StepContext, inputs: Inputs, source: Instance, encrypted: Instance) -> None:
    """The coordinates must be those of what the instance holds: of its snapshot, and of nothing that it executed since.

    A replica that somebody deleted, and that was made anew, stands elsewhere than the snapshot of the former one.
    """
    coordinates = _recorded(inputs)
    copy = snapshots.tags_of(context.aws, Names(source.identifier).encrypted) or {}
    if source.tags.get(journal.ATTACHED) == encrypted.resource_id:
        what = "it has followed the source before, and somebody has reset its channel: what it has executed is not known"
    elif copy.get(journal.COORDINATES) != str(coordinates):
        holds = copy.get(journal.COORDINATES, "coordinates that nobody has noted")
        what = f"its snapshot was taken at {holds}, but replication would begin at {coordinates}"
    else:
        return
    raise ActionRequired(
        what,
        where=encrypted.identifier,
        fix="Run `pulumi destroy` in phase `replicate`, then `pulumi up`, which begins with a new snapshot",
        safe="The source is untouched",
    )


class ExternalReplication(pulumi.dynamic.Resource, module="rds", name="ExternalReplication"):
    """The channel from the source to the encrypted instance."""

    running: pulumi.Output[bool]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ExternalReplicationProvider(), name, {"running": None, **inputs}, opts)
