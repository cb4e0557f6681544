"""Cutover: moves the source's name to the encrypted instance; the protocol is in ``rds_encrypt.cutover``."""

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
"""Statuses in which the old instance can no longer be reached."""
_FENCE = 60.0
_WANTED = {"named": True, "fenced": True, "following": True}
"""What must hold while the step exists: inputs, so that they can differ from what a refresh saw."""


class CutoverProvider(Step):
    """Inputs: see ``providers.cutover_protocol``, and ``named``, ``fenced`` and ``following``, which must always hold. Outputs: ``server_uuid``
    of the server that answers at the name now, ``final_coordinates``, ``timeline``, ``write_outage``, ``unenabled_events``, ``forced_checks``,
    ``rollback_path``.

    A refresh sets ``named`` if the encrypted instance still has the name, ``fenced`` if the old one still refuses writes, and
    ``following`` if it follows or no longer can. An update closes a lifted fence and makes the old one follow again; it never
    moves names, because that is an outage.
    """

    identity = ("encrypted_id", "source_id")
    waits_for_names = True

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Run the protocol, or roll an interrupted one forward; only report a complete one whose old instance is retired."""
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
        """Close a lifted fence, and fail if production was renamed; otherwise record the inputs, as other steps do."""
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
        """Keep the cutover; end the rollback path, which no step maintains any more."""
        close_reverse_replication(
            context, props["source_id"], props["encrypted_id"], warning_for(props.get("urn"))
        )


def _direction(inputs: Inputs) -> Direction:
    return cutover_direction(Names(inputs["identifier"]), inputs["source_id"], inputs["encrypted_id"])


def _complete(context: StepContext, props: Inputs) -> bool:
    return position_of(context, props) is Position.ENCRYPTED


def _with_following(context: StepContext, inputs: Inputs, outputs: Outputs) -> Outputs:
    """Add whether the old instance needs nothing now: the next `pulumi up` retries what is not confirmed."""
    path = outputs["rollback_path"]
    return {**outputs, "following": settled(path) or context.usable(inputs["source_id"]) is None}


def _path_now(context: StepContext, props: Inputs) -> Outputs:
    """Check whether the old instance follows; report nothing for one that is detached or not available."""
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
    """Try again to make the old instance follow, and return the result."""
    cutover = cutover_context(context, inputs, _direction(inputs))
    path = follow_up(cutover)
    warn(inputs, cutover)
    if path != OPEN:
        warning_for(inputs.get("urn"))(f"rollback path {path}")
    return _with_following(context, inputs, {"rollback_path": path})


def _called_otherwise(context: StepContext, props: Inputs) -> str | None:
    """Return the encrypted instance's name if it should be the source's and is not."""
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
        f"production was renamed after the cutover; its name was `{inputs['identifier']}`",
        where=name,
        fix=f"Rename it back to `{inputs['identifier']}`; if another instance has that name now, rename that one first. Then run"
        " `pulumi refresh` and `pulumi up`",
        safe="rds-encrypt does not rename it, because a rename is an outage",
    )


def _lifted(context: StepContext, props: Inputs) -> bool:
    """Whether the old instance accepts writes, which would cost the rollback path.

    Once it neither follows nor uses the fence's parameter group, it belongs to its owner again.
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
    """Make the old instance refuse writes again, and warn about writes that it accepted meanwhile."""
    if not _lifted(context, inputs):
        return
    old, names = context.instances.get(inputs["source_id"]), Names(inputs["identifier"])
    if reason := group_cannot(context.aws, old.parameter_group, old):
        raise ActionRequired(
            f"it accepts writes after the cutover, and cannot be fenced: {reason}",
            where=old.identifier,
            fix=f"Give it parameter group {names.fence}, reboot it, then run `pulumi up` again",
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
        f"{old.identifier}: its fence was lifted, and rds-encrypt has closed it again. {names.source} lacks the writes that"
        f" {old.identifier} accepted meanwhile: compare the two before a rollback."
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
