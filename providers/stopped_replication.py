"""Stopped replication: stops the replica and records the coordinates at which it stopped."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.step import HOUR, Inputs, Outputs, Step, StepContext
from rds_encrypt.mysql import channel

__all__ = ["StoppedReplication", "StoppedReplicationProvider"]


class StoppedReplicationProvider(Step):
    """Inputs: ``replica_id``. Outputs: ``file``, ``position``: the source's coordinates that the replica has executed."""

    identity = ("replica_id",)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Stop replication and read the coordinates from the replica, not from the source."""
        replica = context.instances.wait_until_available(
            inputs["replica_id"], deadline=HOUR, progress=context.progress
        )
        with context.access.session(replica) as session:
            stopped = channel.stop_where_known(session, progress=context.progress)
        return {"file": stopped.executed.file, "position": stopped.executed.position}


class StoppedReplication(pulumi.dynamic.Resource, module="rds", name="StoppedReplication"):
    """The point in the source's history that the snapshot will hold."""

    file: pulumi.Output[str]
    position: pulumi.Output[int]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(StoppedReplicationProvider(), name, {"file": None, "position": None, **inputs}, opts)
