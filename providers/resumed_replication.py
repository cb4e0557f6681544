"""Resumed replication: makes the replica follow the source again, so that RDS can purge the source's binlogs."""

from __future__ import annotations

import pulumi

from providers.arguments import ReplicaArgs
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.mysql import channel

__all__ = ["ResumedReplication", "ResumedReplicationProvider"]


class ResumedReplicationProvider(Step[ReplicaArgs]):
    """Starts replication. Outputs: ``running``."""

    identity = ("replica_id",)
    waits_for_names = True

    def perform(self, context: StepContext, args: ReplicaArgs) -> Outputs:
        """Start replication on the replica."""
        with context.session(args.replica_id) as session:
            return {"running": channel.start(session).running}

    def seen(self, context: StepContext, args: ReplicaArgs) -> Outputs | None:
        """Tell whether the replica still follows; one that does not run counts as unchanged."""
        replica = context.usable(args.replica_id)
        if replica is None:
            return {}
        with context.access.session(replica) as session:
            status = channel.status(session)
        return {} if status is not None and not status.stopped else None


class ResumedReplication(StepResource, provider=ResumedReplicationProvider):
    """The replica, following again after its snapshot was used."""

    running: pulumi.Output[bool]
