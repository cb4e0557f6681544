"""What cut-over and roll-back share: the same protocol, in two directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migration import journal
from migration.cutover.course import Course
from migration.cutover.protocol import swap
from migration.cutover.site import Hooks, Limits, Record, Site, Strategy
from migration.cutover.strategies import InPlace, Rename
from migration.cutover.timeline import Moment, outage
from migration.names import Names
from migration.records.logbook import Logbook
from migration.records.table import table
from providers.clean_errors import sentence
from providers.papers import after_swap, files_of, hand_over
from providers.progress import remark_for
from providers.step import HOUR, Inputs, Outputs, World
from replication import channel, lag
from replication.coordinates import Coordinates, current

__all__ = ["SWAP_OUTPUTS", "close_way_back", "perform_swap", "site_of", "told"]

SWAP_OUTPUTS = {
    "server_uuid": None,
    "final_coordinates": None,
    "timeline": None,
    "write_outage": None,
    "unenabled_events": None,
    "forced_guards": None,
}
"""Outputs of both steps, unknown until they have run."""

_DRAIN = 300.0


def perform_swap(world: World, inputs: Inputs, course: Course) -> Outputs:
    """Run the protocol, write down what happened and when, and show that at the end.

    Inputs: ``identifier``, ``source_group``, ``cutover`` and ``verify`` (the settings of that name, as plain values); in mode ``snapshot``
    also ``snapshot_at`` (coordinates) and ``moments``, those of the fence.
    """
    site = site_of(world, inputs, course)
    urn = inputs.get("urn")
    files = files_of(inputs)
    logbook = Logbook(
        site,
        files,
        before=inputs.get("moments") or {},
        sentence=lambda error: sentence(error) or f"{type(error).__name__}, which was not expected",
    )
    try:
        with logbook.kept():
            outcome = swap(site)
            logbook.complete(outcome)
    finally:
        remark_for(urn)(f"{table(logbook.content)}\nWritten down in {logbook.path}.")
        after_swap(site, files)
    hand_over(site, files)
    world.progress(f"done: {outcome.server_uuid} answers")
    refused = outage(site.timeline.moments)
    return {
        "server_uuid": outcome.server_uuid,
        "final_coordinates": outcome.final,
        "timeline": site.timeline.as_outputs(),
        "write_outage": refused.as_outputs() if refused else None,
        "unenabled_events": list(outcome.unenabled_events),
        "forced_guards": list(outcome.forced),
    }


def told(world: World, course: Course, tags: Mapping[str, str]) -> Outputs:
    """Return what can still be known of a swap that is complete, by the tags of the encrypted instance, when no state tells of it."""
    with world.session(course.winning_id) as session:
        uuid = str(session.value("SELECT @@server_uuid"))
    moments = {Moment.SWAP_BEGAN: tags.get(course.point), Moment.OPEN: tags.get(course.marked)}
    return {
        **SWAP_OUTPUTS,
        "server_uuid": uuid,
        "final_coordinates": "",
        "timeline": {str(moment): when for moment, when in moments.items() if when is not None},
        "unenabled_events": [],
        "forced_guards": [],
    }


def site_of(world: World, inputs: Inputs, course: Course) -> Site:
    """Return where the protocol takes place."""
    settings, snapshot_at = inputs["cutover"], inputs.get("snapshot_at")
    verify = inputs.get("verify") or {"mode": "off"}
    commands = settings.get("hooks") or {}
    return Site(
        aws=world.aws,
        access=world.access,
        names=Names(inputs["identifier"]),
        course=course,
        source_group=inputs["source_group"],
        strategy=_strategy(settings),
        hooks=Hooks(**{which: tuple(command) for which, command in commands.items()}),
        postponed=bool(settings["postpone"]),
        limits=Limits(
            write_outage=float(settings["max_write_outage"]),
            long_transaction=int(settings["long_transaction"]),
            lag=int(settings["max_lag"]),
            lag_steady=float(settings["lag_steady"]),
            verification=None if verify["mode"] == "off" else float(verify["max_age"]) * HOUR,
            verify=verify["mode"],
        ),
        forced=frozenset(settings.get("force") or ()),
        snapshot_coordinates=Coordinates.parse(snapshot_at) if snapshot_at else None,
        progress=world.progress,
    )


def _strategy(settings: Mapping[str, Any]) -> Strategy:
    if settings["strategy"] == "rename":
        return Rename()
    dns = settings.get("dns")
    return InPlace(Record(dns["hosted_zone_id"], dns["record"]) if dns else None)


def close_way_back(world: World, source_id: str, encrypted_id: str) -> None:
    """Let the old instance execute what it can, then follow nobody; does nothing unless it follows the encrypted one."""
    found = world.instances.find_several([encrypted_id, source_id])
    encrypted, old = found.get(encrypted_id), found.get(source_id)
    if encrypted is None or old is None or journal.SWAPPED not in encrypted.tags:
        return
    if not (encrypted.available and old.available):
        return
    with world.access.session(old) as behind, world.access.session(encrypted) as ahead:
        status = channel.status(behind)
        if status is None:
            return
        if status.running:
            lag.drain(behind, current(ahead), deadline=_DRAIN)
        channel.stop(behind)
        channel.detach(behind)
