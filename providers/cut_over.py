"""Cut-over: the source's name goes to the encrypted instance; the protocol is in ``migration.cutover``."""

from __future__ import annotations

from typing import Any

import pulumi

from migration.cutover.protocol import cut_over
from migration.cutover.site import Limits, Site
from migration.names import Names
from providers.step import Inputs, Outputs, Step, World
from replication.coordinates import Coordinates

__all__ = ["CutOver", "CutOverProvider"]


class CutOverProvider(Step):
    """Inputs: ``identifier``, ``source_id``, ``encrypted_id``, ``source_group``, limits, and ``snapshot_at`` in mode ``snapshot``.

    Outputs: ``server_uuid`` that answers at the name now, ``final_coordinates``, ``timeline``, ``unenabled_events``.
    """

    identity = ("encrypted_id", "source_id")

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Run the protocol, or roll an interrupted one forward."""
        snapshot_at = inputs.get("snapshot_at")
        site = Site(
            aws=world.aws,
            access=world.access,
            names=Names(inputs["identifier"]),
            source_id=inputs["source_id"],
            encrypted_id=inputs["encrypted_id"],
            source_group=inputs["source_group"],
            limits=Limits(
                write_outage=float(inputs["max_write_outage"]),
                long_transaction=int(inputs["long_transaction"]),
            ),
            snapshot_coordinates=Coordinates.parse(snapshot_at) if snapshot_at else None,
            progress=world.progress,
        )
        outcome = cut_over(site)
        return {
            "server_uuid": outcome.server_uuid,
            "final_coordinates": outcome.final,
            "timeline": site.timeline.as_outputs(),
            "unenabled_events": list(outcome.unenabled_events),
        }


class CutOver(pulumi.dynamic.Resource, module="rds", name="CutOver"):
    """The swap: done once, never undone by a delete."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    unenabled_events: pulumi.Output[list[str]]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        outputs = {"server_uuid": None, "final_coordinates": None, "timeline": None, "unenabled_events": None}
        super().__init__(CutOverProvider(), name, {**outputs, **inputs}, opts)
