"""External replication: the encrypted instance follows the source from the recorded coordinates on."""

from __future__ import annotations

from typing import Any

import pulumi

from foundation.errors import NeedsHuman
from migration import journal
from migration.access import endpoint_of
from providers.step import Inputs, Outputs, Step, World
from replication import accounts, channel
from replication.coordinates import Coordinates

__all__ = ["ExternalReplication", "ExternalReplicationProvider"]


class ExternalReplicationProvider(Step):
    """Inputs: ``encrypted_id``, ``source_id``, ``replica_id``, ``file``, ``position``. Outputs: ``running``."""

    identity = ("encrypted_id", "source_id")

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Attach the encrypted instance if it follows nobody yet, and start it."""
        source = world.instances.get(inputs["source_id"])
        with world.session(inputs["encrypted_id"]) as encrypted:
            attached = channel.status(encrypted)
            if attached is None or attached.source_host != source.address:
                self._attach(world, inputs, Coordinates(inputs["file"], int(inputs["position"])))
            return {"running": channel.start(encrypted).running}

    def seen(self, world: World, props: Inputs) -> Outputs | None:
        """Tell whether the instance still follows; once the names have begun to move it should not."""
        encrypted = world.usable(props["encrypted_id"])
        if encrypted is None or journal.SWAPPED in encrypted.tags:
            return dict(props)
        with world.session(props["encrypted_id"]) as session:
            status = channel.status(session)
        return dict(props) if status is not None and not status.stopped else None

    def undo(self, world: World, props: Inputs) -> None:
        """Detach an instance that follows; one that is gone, or follows nobody, needs nothing."""
        if world.usable(props["encrypted_id"]) is None:
            return
        with world.session(props["encrypted_id"]) as session:
            if channel.status(session) is not None:
                channel.stop(session)
                channel.detach(session)

    def _attach(self, world: World, inputs: Inputs, coordinates: Coordinates) -> None:
        self._require_untouched_replica(world, inputs["replica_id"], coordinates)
        with world.session(inputs["source_id"]) as source:
            account = accounts.issue(source, accounts.REPLICATION_USER)
        endpoint = endpoint_of(world.instances.get(inputs["source_id"]))
        with world.session(inputs["encrypted_id"]) as encrypted:
            channel.attach(encrypted, endpoint, account, coordinates)

    def _require_untouched_replica(self, world: World, replica_id: str, coordinates: Coordinates) -> None:
        """The snapshot holds what the recorded coordinates say only if the replica has stood still since.

        A reboot, by whomever, would have started it again; applying changes twice or not at all is what that would cost.
        """
        with world.session(replica_id) as session:
            status = channel.status(session)
        if status is None or not status.stopped or status.executed != coordinates:
            raise NeedsHuman(
                f"the replica should stand still at {coordinates}, but it is {status or 'no replica any more'}",
                where=replica_id,
                fix="Its snapshot cannot be trusted: run `pulumi destroy` in phase `replicate`, then `pulumi up`",
                safe="The source is untouched",
            )


class ExternalReplication(pulumi.dynamic.Resource, module="rds", name="ExternalReplication"):
    """The channel from the source to the encrypted instance."""

    running: pulumi.Output[bool]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ExternalReplicationProvider(), name, {"running": None, **inputs}, opts)
