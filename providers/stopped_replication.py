"""Stopped replication: stops the replica and records the coordinates at which it stopped."""

from __future__ import annotations

import pulumi

from providers.arguments import ReplicaArgs
from providers.resource import StepResource
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.mysql import channel

__all__ = ["StoppedReplication", "StoppedReplicationProvider"]


class StoppedReplicationProvider(Step[ReplicaArgs]):
    """Stops replication. Outputs: ``file``, ``position``: the source's coordinates that the replica has executed."""

    identity = ("replica_id",)

    def perform(self, context: StepContext, args: ReplicaArgs) -> Outputs:
        """Stop replication and read the coordinates from the replica, not from the source."""
        replica = context.instances.wait_until_available(
            args.replica_id, deadline=HOUR, progress=context.progress
        )
        with context.access.session(replica) as session:
            stopped = channel.stop_for_snapshot(session, progress=context.progress)
        return {"file": stopped.executed.file, "position": stopped.executed.position}


class StoppedReplication(StepResource, provider=StoppedReplicationProvider):
    """The point in the source's history that the snapshot will hold."""

    file: pulumi.Output[str]
    position: pulumi.Output[int]
