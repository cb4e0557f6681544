"""Catch-up: waits until the encrypted instance has executed all that the source had written at one look."""

from __future__ import annotations

from typing import Any

import pulumi

from migration import journal
from providers.papers import lag_log
from providers.step import HOUR, Inputs, Outputs, Step, World
from replication import lag

__all__ = ["CatchUp", "CatchUpProvider"]


class CatchUpProvider(Step):
    """Inputs: ``encrypted_id``, ``source_id``, ``hours`` to wait at most. Outputs: ``in_sync_at``: coordinates."""

    identity = ("encrypted_id", "source_id")

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Wait, showing the lag."""
        source, encrypted = world.instances.get_several(inputs["source_id"], inputs["encrypted_id"])
        if journal.SWAPPED in encrypted.tags:
            return {"in_sync_at": ""}  # A state that was lost after the cut-over: production follows nobody.
        with (
            world.access.session(source) as ahead,
            world.access.session(encrypted) as behind,
            lag_log(source, inputs) as log,
        ):
            reached = lag.catch_up(
                ahead,
                behind,
                deadline=float(inputs["hours"]) * HOUR,
                progress=world.progress,
                watch=log.add,
            )
        return {"in_sync_at": str(reached)}


class CatchUp(pulumi.dynamic.Resource, module="rds", name="CatchUp"):
    """The encrypted instance, level with the source."""

    in_sync_at: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CatchUpProvider(), name, {"in_sync_at": None, **inputs}, opts)
