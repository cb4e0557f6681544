"""What cut-over and roll-back share: the same protocol, in two directions."""

from __future__ import annotations

from migration import journal
from migration.cutover.course import Course
from migration.cutover.protocol import swap
from migration.cutover.site import Limits, Site
from migration.names import Names
from providers.step import Inputs, Outputs, World
from replication import channel, lag
from replication.coordinates import Coordinates, current

__all__ = ["SWAP_OUTPUTS", "close_way_back", "perform_swap"]

SWAP_OUTPUTS = {
    "server_uuid": None,
    "final_coordinates": None,
    "timeline": None,
    "unenabled_events": None,
    "forced_guards": None,
}
"""Outputs of both steps, unknown until they have run."""

_DRAIN = 300.0


def perform_swap(world: World, inputs: Inputs, course: Course) -> Outputs:
    """Run the protocol.

    Inputs: ``identifier``, ``source_group``, ``max_write_outage`` and ``long_transaction`` and ``max_lag`` in seconds, ``force``
    (names of guards), and ``snapshot_at`` (coordinates) in mode ``snapshot``.
    """
    snapshot_at = inputs.get("snapshot_at")
    site = Site(
        aws=world.aws,
        access=world.access,
        names=Names(inputs["identifier"]),
        course=course,
        source_group=inputs["source_group"],
        limits=Limits(
            write_outage=float(inputs["max_write_outage"]),
            long_transaction=int(inputs["long_transaction"]),
            lag=int(inputs["max_lag"]),
        ),
        forced=frozenset(inputs.get("force") or ()),
        snapshot_coordinates=Coordinates.parse(snapshot_at) if snapshot_at else None,
        progress=world.progress,
    )
    outcome = swap(site)
    return {
        "server_uuid": outcome.server_uuid,
        "final_coordinates": outcome.final,
        "timeline": site.timeline.as_outputs(),
        "unenabled_events": list(outcome.unenabled_events),
        "forced_guards": list(outcome.forced),
    }


def close_way_back(world: World, source_id: str, encrypted_id: str) -> None:
    """Let the old instance execute what it can, then follow nobody; does nothing unless it follows the encrypted one."""
    encrypted, old = world.usable(encrypted_id), world.usable(source_id)
    if encrypted is None or old is None or journal.SWAPPED not in encrypted.tags:
        return
    with world.session(source_id) as behind, world.session(encrypted_id) as ahead:
        status = channel.status(behind)
        if status is None:
            return
        if status.running:
            lag.drain(behind, current(ahead), deadline=_DRAIN)
        channel.stop(behind)
        channel.detach(behind)
