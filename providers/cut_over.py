"""Cut-over: the source's name goes to the encrypted instance; the protocol is in ``migration.cutover``."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import UpdateResult

from controlplane.parameter_groups import ParameterGroups
from foundation.errors import NeedsHuman
from foundation.waiting import Wait, until
from migration import journal
from migration.cutover.course import Course, cut_over_course
from migration.cutover.fence import group_cannot
from migration.cutover.protocol import follow_up
from migration.cutover.way_back import OPEN, settled
from migration.names import Names
from migration.position import Position
from providers.progress import warning_for
from providers.step import Inputs, Outputs, Step, World
from providers.swap import SWAP_OUTPUTS, close_way_back, perform_swap, position_of, site_of, told, warn
from replication import channel, writes

__all__ = ["CutOver", "CutOverProvider"]

_AT_REST = {"stopping", "stopped", "deleting"}
"""Statuses of an old instance that nobody will reach any more."""
_FENCE = 60.0
_WANTED = {"named": True, "fenced": True, "following": True}
"""What must hold for as long as the step stands; as inputs, so that it differs from what a refresh saw."""


class CutOverProvider(Step):
    """Inputs: see ``providers.swap``, and ``named``, ``fenced`` and ``following``, which are always wanted. Outputs: ``server_uuid``
    that answers at the name now, ``final_coordinates``, ``timeline``, ``write_outage``, ``unenabled_events``, ``forced_guards``,
    ``rollback_path``.

    A refresh tells by ``named`` whether the encrypted instance still has the name, by ``fenced`` whether the old one still
    refuses writes, and by ``following`` whether it follows, or cannot any more. An update closes a fence that was lifted, and
    lets the old one follow; names it leaves alone, since moving them is outage.
    """

    identity = ("encrypted_id", "source_id")
    at_rest = True

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Run the protocol, or roll an interrupted one forward; one that is complete, and whose old instance rests, is only told."""
        course = _course(inputs)
        encrypted = world.instances.get(inputs["encrypted_id"])
        if course.noted(encrypted.tags):
            old = world.instances.find(inputs["source_id"])
            if old is None or old.status in _AT_REST:
                return _with_following(world, inputs, told(world, course, encrypted.tags))
        return _with_following(world, inputs, perform_swap(world, inputs, course))

    def seen(self, world: World, props: Inputs) -> Outputs | None:
        """Tell whether the encrypted instance still has the name, and whether the old one has its fence and follows."""
        return {
            **props,
            "named": _called_otherwise(world, props) is None,
            "fenced": not _lifted(world, props),
            **_path_now(world, props),
        }

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Close a fence that somebody lifted, and refuse a name that somebody moved; otherwise record the inputs, as other steps do."""
        if _olds.get("fenced") is False:
            _close_again(self.world(_news), _news)
        if _olds.get("named") is False:
            _require_name(self.world(_news), _news)
        recorded = super().update(_id, _olds, _news)
        if _olds.get("following") is False:
            found = _follow_again(self.world(_news), _news)
            return UpdateResult({**(recorded.outs or {}), **found})
        return recorded

    def undo(self, world: World, props: Inputs) -> None:
        """The swap stays; only the way back ends, since nobody will look after it any more."""
        close_way_back(world, props["source_id"], props["encrypted_id"], warning_for(props.get("urn")))


def _course(inputs: Inputs) -> Course:
    return cut_over_course(Names(inputs["identifier"]), inputs["source_id"], inputs["encrypted_id"])


def _complete(world: World, props: Inputs) -> bool:
    return position_of(world, props) is Position.ENCRYPTED


def _with_following(world: World, inputs: Inputs, outputs: Outputs) -> Outputs:
    """Add whether there is nothing to do about the old instance now: the next `up` tries again what is not confirmed."""
    path = outputs["rollback_path"]
    return {**outputs, "following": settled(path) or world.usable(inputs["source_id"]) is None}


def _path_now(world: World, props: Inputs) -> Outputs:
    """Look whether the old instance follows; one that follows nobody, or is away, was let go, or cannot be asked."""
    found = world.instances.find_several([props["encrypted_id"], props["source_id"]])
    encrypted, old = found.get(props["encrypted_id"]), found.get(props["source_id"])
    if encrypted is None or old is None or not old.available or not _complete(world, props):
        return {}
    with world.access.session(old) as session:
        status = channel.status(session)
        if status is None or not status.ours:
            return {}
        if status.running:
            return {"rollback_path": OPEN, "following": True}
        lost = status.failure(session.endpoint) is not None and journal.ROLLBACK_LOST in encrypted.tags
        return {"following": lost}


def _follow_again(world: World, inputs: Inputs) -> Outputs:
    """Try once more to let the old instance follow, and say what it came to."""
    site = site_of(world, inputs, _course(inputs))
    path = follow_up(site)
    warn(inputs, site)
    if path != OPEN:
        warning_for(inputs.get("urn"))(f"rollback path {path}")
    return _with_following(world, inputs, {"rollback_path": path})


def _called_otherwise(world: World, props: Inputs) -> str | None:
    """Return what the encrypted instance is called, if that should be the source's name and is not."""
    encrypted = world.instances.find(props["encrypted_id"])
    moved = (
        encrypted is not None
        and props["cutover"]["strategy"] == "rename"
        and _complete(world, props)
        and encrypted.identifier != props["identifier"]
    )
    return encrypted.identifier if encrypted is not None and moved else None


def _require_name(world: World, inputs: Inputs) -> None:
    name = _called_otherwise(world, inputs)
    if name is None:
        return
    raise NeedsHuman(
        f"production has been renamed since the cut-over: it was `{inputs['identifier']}`",
        where=name,
        fix=f"Rename it to `{inputs['identifier']}` again; if another instance is called so now, rename that one first. Then run"
        " `pulumi refresh` and `pulumi up`",
        safe="Nothing is renamed by itself, because that takes the instance away for a while",
    )


def _lifted(world: World, props: Inputs) -> bool:
    """Whether the old instance takes writes, though that would cost the way back.

    Once nothing follows any more, and it does not run with the group that was made to fence it, it is its owner's again.
    """
    found = world.instances.find_several([props["encrypted_id"], props["source_id"]])
    encrypted, old = found.get(props["encrypted_id"]), found.get(props["source_id"])
    if encrypted is None or old is None or not _complete(world, props):
        return False
    if not old.available:
        return False
    with world.access.session(old) as session:
        if writes.read_only(session):
            return False
        return old.parameter_group == Names(props["identifier"]).fence or channel.status(session) is not None


def _close_again(world: World, inputs: Inputs) -> None:
    """Make the old instance refuse writes again, and say what that does not bring back."""
    if not _lifted(world, inputs):
        return
    old, names = world.instances.get(inputs["source_id"]), Names(inputs["identifier"])
    if reason := group_cannot(world.aws, old.parameter_group, old):
        raise NeedsHuman(
            f"it accepts writes, though it lost the name, and cannot be fenced: {reason}",
            where=old.identifier,
            fix=f"Give it the parameter group {names.fence} and reboot it, then run `pulumi up` again",
            safe=f"`{names.source}` is not affected",
        )
    ParameterGroups(world.aws).set_now(old.parameter_group, {"read_only": "1"})
    with world.session(old.resource_id) as session:

        def closed() -> bool:
            writes.end_writing_sessions(session)
            return writes.read_only(session)

        until(
            Wait(f"read_only on {session.endpoint}", deadline=_FENCE),
            closed,
            done=bool,
            describe=lambda on: "read_only is on" if on else "read_only is off",
            progress=world.progress,
        )
    warning_for(inputs.get("urn"))(
        f"{old.identifier}: somebody had lifted its fence, and it refuses writes again. What was written there meanwhile is not in"
        f" {names.source}: compare the two before a rollback."
    )


class CutOver(pulumi.dynamic.Resource, module="rds", name="CutOver"):
    """The swap: done once, never undone by a delete."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    forced_guards: pulumi.Output[list[str]]
    rollback_path: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CutOverProvider(), name, {**SWAP_OUTPUTS, **inputs, **_WANTED}, opts)
