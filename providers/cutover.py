"""Cutover: the source's name goes to the encrypted instance; the protocol is in ``rds_encrypt.cutover``."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import UpdateResult

from providers.cutover_protocol import (
    CUTOVER_OUTPUTS,
    close_reverse_replication,
    cutover_context,
    position_of,
    run_protocol,
    told,
    warn,
)
from providers.progress import warning_for
from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover.direction import Direction, cutover_direction
from rds_encrypt.cutover.fence import group_cannot
from rds_encrypt.cutover.protocol import follow_up
from rds_encrypt.cutover.reverse_replication import OPEN, settled
from rds_encrypt.mysql import channel, writes
from rds_encrypt.names import Names
from rds_encrypt.position import Position

__all__ = ["Cutover", "CutoverProvider"]

_RETIRED = {"stopping", "stopped", "deleting"}
"""Statuses of an old instance that nobody will reach any more."""
_FENCE = 60.0
_WANTED = {"named": True, "fenced": True, "following": True}
"""What must hold for as long as the step stands; as inputs, so that it differs from what a refresh saw."""


class CutoverProvider(Step):
    """Inputs: see ``providers.cutover_protocol``, and ``named``, ``fenced`` and ``following``, which are always wanted. Outputs: ``server_uuid``
    that answers at the name now, ``final_coordinates``, ``timeline``, ``write_outage``, ``unenabled_events``, ``forced_checks``,
    ``rollback_path``.

    A refresh tells by ``named`` whether the encrypted instance still has the name, by ``fenced`` whether the old one still
    refuses writes, and by ``following`` whether it follows, or cannot any more. An update closes a fence that was lifted, and
    lets the old one follow; names it leaves alone, since moving them is outage.
    """

    identity = ("encrypted_id", "source_id")
    waits_for_names = True

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Run the protocol, or roll an interrupted one forward; one that is complete, and whose old instance rests, is only told."""
        direction = _direction(inputs)
        encrypted = context.instances.get(inputs["encrypted_id"])
        if direction.noted(encrypted.tags):
            old = context.instances.find(inputs["source_id"])
            if old is None or old.status in _RETIRED:
                return _with_following(context, inputs, told(context, direction, encrypted.tags))
        return _with_following(context, inputs, run_protocol(context, inputs, direction))

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the encrypted instance still has the name, and whether the old one has its fence and follows."""
        return {
            **props,
            "named": _called_otherwise(context, props) is None,
            "fenced": not _lifted(context, props),
            **_path_now(context, props),
        }

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Close a fence that somebody lifted, and refuse a name that somebody moved; otherwise record the inputs, as other steps do."""
        if _olds.get("fenced") is False:
            _close_again(self.context(_news), _news)
        if _olds.get("named") is False:
            _require_name(self.context(_news), _news)
        recorded = super().update(_id, _olds, _news)
        if _olds.get("following") is False:
            found = _follow_again(self.context(_news), _news)
            return UpdateResult({**(recorded.outs or {}), **found})
        return recorded

    def undo(self, context: StepContext, props: Inputs) -> None:
        """The cutover stays; only the rollback path ends, since nobody will look after it any more."""
        close_reverse_replication(
            context, props["source_id"], props["encrypted_id"], warning_for(props.get("urn"))
        )


def _direction(inputs: Inputs) -> Direction:
    return cutover_direction(Names(inputs["identifier"]), inputs["source_id"], inputs["encrypted_id"])


def _complete(context: StepContext, props: Inputs) -> bool:
    return position_of(context, props) is Position.ENCRYPTED


def _with_following(context: StepContext, inputs: Inputs, outputs: Outputs) -> Outputs:
    """Add whether there is nothing to do about the old instance now: the next `up` tries again what is not confirmed."""
    path = outputs["rollback_path"]
    return {**outputs, "following": settled(path) or context.usable(inputs["source_id"]) is None}


def _path_now(context: StepContext, props: Inputs) -> Outputs:
    """Look whether the old instance follows; one that follows nobody, or is away, was let go, or cannot be asked."""
    found = context.instances.find_several([props["encrypted_id"], props["source_id"]])
    encrypted, old = found.get(props["encrypted_id"]), found.get(props["source_id"])
    if encrypted is None or old is None or not old.available or not _complete(context, props):
        return {}
    with context.access.session(old) as session:
        status = channel.status(session)
        if status is None or not status.ours:
            return {}
        if status.running:
            return {"rollback_path": OPEN, "following": True}
        lost = status.failure(session.endpoint) is not None and journal.ROLLBACK_LOST in encrypted.tags
        return {"following": lost}


def _follow_again(context: StepContext, inputs: Inputs) -> Outputs:
    """Try once more to let the old instance follow, and say what it came to."""
    cutover = cutover_context(context, inputs, _direction(inputs))
    path = follow_up(cutover)
    warn(inputs, cutover)
    if path != OPEN:
        warning_for(inputs.get("urn"))(f"rollback path {path}")
    return _with_following(context, inputs, {"rollback_path": path})


def _called_otherwise(context: StepContext, props: Inputs) -> str | None:
    """Return what the encrypted instance is called, if that should be the source's name and is not."""
    encrypted = context.instances.find(props["encrypted_id"])
    moved = (
        encrypted is not None
        and props["cutover"]["strategy"] == "rename"
        and _complete(context, props)
        and encrypted.identifier != props["identifier"]
    )
    return encrypted.identifier if encrypted is not None and moved else None


def _require_name(context: StepContext, inputs: Inputs) -> None:
    name = _called_otherwise(context, inputs)
    if name is None:
        return
    raise ActionRequired(
        f"production has been renamed since the cutover: it was `{inputs['identifier']}`",
        where=name,
        fix=f"Rename it to `{inputs['identifier']}` again; if another instance is called so now, rename that one first. Then run"
        " `pulumi refresh` and `pulumi up`",
        safe="Nothing is renamed by itself, because that takes the instance away for a while",
    )


def _lifted(context: StepContext, props: Inputs) -> bool:
    """Whether the old instance takes writes, though that would cost the rollback path.

    Once nothing follows any more, and it does not run with the group that was made to fence it, it is its owner's again.
    """
    found = context.instances.find_several([props["encrypted_id"], props["source_id"]])
    encrypted, old = found.get(props["encrypted_id"]), found.get(props["source_id"])
    if encrypted is None or old is None or not _complete(context, props):
        return False
    if not old.available:
        return False
    with context.access.session(old) as session:
        if writes.read_only(session):
            return False
        return old.parameter_group == Names(props["identifier"]).fence or channel.status(session) is not None


def _close_again(context: StepContext, inputs: Inputs) -> None:
    """Make the old instance refuse writes again, and say what that does not bring back."""
    if not _lifted(context, inputs):
        return
    old, names = context.instances.get(inputs["source_id"]), Names(inputs["identifier"])
    if reason := group_cannot(context.aws, old.parameter_group, old):
        raise ActionRequired(
            f"it accepts writes, though it lost the name, and cannot be fenced: {reason}",
            where=old.identifier,
            fix=f"Give it the parameter group {names.fence} and reboot it, then run `pulumi up` again",
            safe=f"`{names.source}` is not affected",
        )
    ParameterGroups(context.aws).set_now(old.parameter_group, {"read_only": "1"})
    with context.session(old.resource_id) as session:

        def closed() -> bool:
            writes.end_writing_sessions(session)
            return writes.read_only(session)

        until(
            Wait(f"read_only on {session.endpoint}", deadline=_FENCE),
            closed,
            done=bool,
            describe=lambda on: "read_only is on" if on else "read_only is off",
            progress=context.progress,
        )
    warning_for(inputs.get("urn"))(
        f"{old.identifier}: somebody had lifted its fence, and it refuses writes again. What was written there meanwhile is not in"
        f" {names.source}: compare the two before a rollback."
    )


class Cutover(pulumi.dynamic.Resource, module="rds", name="Cutover"):
    """The cutover: done once, never undone by a delete."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    forced_checks: pulumi.Output[list[str]]
    rollback_path: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CutoverProvider(), name, {**CUTOVER_OUTPUTS, **inputs, **_WANTED}, opts)
