"""What cut-over and roll-back share: the same protocol, in two directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controlplane.instances import Instance
from controlplane.parameter_groups import ParameterGroups
from foundation.errors import Cancelled, MigrationError
from migration import journal
from migration.cutover.course import Course
from migration.cutover.protocol import swap
from migration.cutover.site import Hooks, Limits, Record, Site, Strategy
from migration.cutover.strategies import InPlace, Rename
from migration.cutover.timeline import Moment, outage
from migration.cutover.way_back import LOST, OPEN, UNCONFIRMED
from migration.leftovers import silent_warn
from migration.names import Names
from migration.position import Position, look
from migration.records.logbook import Logbook
from migration.records.table import table
from providers.clean_errors import sentence
from providers.papers import after_swap, files_of, hand_over
from providers.progress import remark_for, warning_for
from providers.step import HOUR, Inputs, Outputs, World
from replication import channel, lag
from replication.coordinates import Coordinates, current
from replication.session import Session

__all__ = ["SWAP_OUTPUTS", "close_way_back", "perform_swap", "position_of", "site_of", "told", "warn"]

SWAP_OUTPUTS = {
    "server_uuid": None,
    "final_coordinates": None,
    "timeline": None,
    "write_outage": None,
    "unenabled_events": None,
    "forced_guards": None,
    "rollback_path": None,
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
        if outcome.rollback_path != OPEN and site.snapshot_coordinates is None:
            what = (
                "rollback path"
                if course.point == journal.SWAPPED
                else "replication to the encrypted instance"
            )
            warning_for(urn)(
                f"{site.names.source}: the {course.verb} is complete; {what} {outcome.rollback_path}"
            )
    finally:
        remark_for(urn)(f"{table(logbook.content)}\nWritten down in {logbook.path}.")
        after_swap(site, files)
        warn(inputs, site)
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
        "rollback_path": outcome.rollback_path,
    }


def warn(inputs: Inputs, site: Site) -> None:
    """Show what could not be done and production does not need."""
    show = warning_for(inputs.get("urn"))
    for words in site.aside.warnings:
        show(words)


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
        "rollback_path": _noted_path(world, course, tags),
    }


def _noted_path(world: World, course: Course, tags: Mapping[str, str]) -> str:
    if reason := tags.get(journal.ROLLBACK_LOST):
        return f"{LOST}{reason}"
    old = world.instances.find(course.losing_id)
    if old is None:
        return f"{LOST}{course.losing_name} was deleted"
    return OPEN if old.available else f"{UNCONFIRMED}{old.identifier} is {old.status}"


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
        source_group=inputs["source_group"] or _owner_group(world, inputs),
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


def _owner_group(world: World, inputs: Inputs) -> str:
    """Return the owner's parameter group when the source, which ran with it, is gone: ours are clones, and say of which."""
    names = Names(inputs["identifier"])
    found = world.instances.get(inputs["encrypted_id"]).parameter_group
    if found != names.encrypted:
        return found
    description = ParameterGroups(world.aws).description(names.encrypted) or ""
    return description.removesuffix(f", {names.group_purpose}")


def position_of(world: World, inputs: Inputs) -> Position:
    """Return where the name is, by tags, or by looking where they do not tell."""
    found = world.instances.find_several([inputs["encrypted_id"], inputs["source_id"]])
    encrypted = found.get(inputs["encrypted_id"]) or world.instances.get(inputs["encrypted_id"])
    return look(world.aws, Names(inputs["identifier"]), encrypted, found.get(inputs["source_id"]))


def close_way_back(
    world: World, source_id: str, encrypted_id: str, warn: Callable[[str], None] = silent_warn
) -> None:
    """Let the old instance execute what it can, then follow nobody; does nothing unless it follows the encrypted one.

    It is being given up: what keeps it from that is a warning.
    """
    found = world.instances.find_several([encrypted_id, source_id])
    encrypted, old = found.get(encrypted_id), found.get(source_id)
    if encrypted is None or old is None or not journal.swapped(encrypted.tags):
        return
    if not (encrypted.available and old.available):
        return
    try:
        with world.access.session(old) as behind:
            _drain(world, encrypted, behind, warn)
            if channel.status(behind) is not None:
                channel.detach(behind)
    except Cancelled:
        raise
    except MigrationError as error:
        warn(f"reverse replication to {old.identifier} is not reset: {error}")


def _drain(world: World, encrypted: Instance, behind: Session, warn: Callable[[str], None]) -> None:
    """Let it execute all that was written until now, if it still follows."""
    status = channel.status(behind)
    if status is None:
        return
    try:
        if status.running:
            with world.access.session(encrypted) as ahead:
                lag.drain(behind, current(ahead), deadline=_DRAIN)
        if not status.stopped:
            channel.stop(behind)
    except Cancelled:
        raise
    except MigrationError as error:
        warn(f"the old instance has not executed all writes: {error}")
