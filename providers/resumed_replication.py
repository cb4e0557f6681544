"""Resumed replication: makes the replica follow the source again, so that RDS can purge the source's binlogs."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt.mysql import channel

__all__ = ["ResumedReplication", "ResumedReplicationProvider"]


class ResumedReplicationProvider(Step):
    """Inputs: ``replica_id``. Outputs: ``running``."""

    identity = ("replica_id",)
    waits_for_names = True

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Start replication on the replica."""
        with context.session(inputs["replica_id"]) as session:
            return {"running": channel.start(session).running}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the replica still follows; one that does not run counts as unchanged."""
        replica = context.usable(props["replica_id"])
        if replica is None:
            return dict(props)
        with context.access.session(replica) as session:
            status = channel.status(session)
        return dict(props) if status is not None and not status.stopped else None


class ResumedReplication(pulumi.dynamic.Resource, module="rds", name="ResumedReplication"):
    """The replica, following again after its snapshot was used."""

    running: pulumi.Output[bool]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ResumedReplicationProvider(), name, {"running": None, **inputs}, opts)
