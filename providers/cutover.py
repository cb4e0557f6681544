"""Cutover: moves the source's name to the encrypted instance; the protocol is in ``rds_encrypt.cutover``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import UpdateResult

from providers.arguments import as_inputs, recorded
from providers.cutover_protocol import (
    ProtocolArgs,
    cutover_context,
    outputs_from_tags,
    position_of,
    run_protocol,
    warn,
)
from providers.progress import warning_for
from providers.reports import after_refresh
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.aws.changes import RETIRED
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired, Cancelled, MigrationError
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover.direction import Direction, cutover_direction
from rds_encrypt.cutover.fence import group_cannot
from rds_encrypt.cutover.protocol import follow_up
from rds_encrypt.cutover.reverse_replication import LOST, OPEN, settled
from rds_encrypt.cutover.strategies import strategy_of
from rds_encrypt.mysql import channel, writes
from rds_encrypt.mysql.connected_clients import Client, clients
from rds_encrypt.mysql.session import Session
from rds_encrypt.state import Position, state_of

__all__ = ["Cutover", "CutoverArgs", "CutoverProvider"]

_FENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class CutoverArgs(ProtocolArgs):
    """The arguments of `Cutover`: those of the protocol, and what must always hold. A refresh records the actual values.

    Attributes:
        old_clients: who was still connected to the old instance.
        named: the encrypted instance has the name.
        fenced: the old instance refuses writes.
        following: it follows the encrypted one, or no longer can.
        rollback_path: whether a rollback is possible, as a word or as a reason.
    """

    old_clients: tuple[Client, ...] = recorded(())
    named: bool = True
    fenced: bool = True
    following: bool = True
    rollback_path: str = recorded("")


class CutoverProvider(Step[CutoverArgs]):
    """Moves the name. Outputs: ``server_uuid`` of the server that answers at the name now, ``final_coordinates``, ``timeline``,
    ``write_outage``, ``unenabled_events``, ``accepted_checks``, ``rollback_path``, ``old_clients``: who still uses the old instance.

    A refresh sets ``named`` if the encrypted instance still has the name, ``fenced`` if the old one still refuses writes,
    ``following`` if it follows or no longer can, and ``old_clients``. An update closes a lifted fence and makes the old one follow
    again; it never moves names, because that is an outage. A delete keeps the cutover and its rollback path: it also comes with phase
    `rollback`, even if the rollback has failed. DeletionGuard ends the path.
    """

    identity = ("encrypted_id", "source_id")
    waits_for_names = True

    def perform(self, context: StepContext, args: CutoverArgs) -> Outputs:
        """Run the protocol, or roll an interrupted one forward; only report a complete one whose old instance is retired."""
        direction = _direction(args)
        state = state_of(encrypted=context.instances.get(args.encrypted_id))
        if direction.noted(state):
            old = context.instances.find(args.source_id)
            if old is None or old.status in RETIRED:
                return _completed(context, args, outputs_from_tags(context, direction, state))
        return _completed(context, args, run_protocol(context, args, direction))

    def seen(self, context: StepContext, args: CutoverArgs) -> Outputs | None:
        """Tell whether the encrypted instance still has the name, and whether the old one has its fence and follows."""
        return {
            "named": _called_otherwise(context, args) is None,
            "fenced": not _lifted(context, args),
            **_old_now(context, args),
        }

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Close a lifted fence, and fail if production was renamed; otherwise record the inputs, as other steps do."""
        olds, news = self.read_args(_olds), self.read_args(_news)
        if not olds.fenced:
            _close_again(self.context(news), news)
        if not olds.named:
            _require_name(self.context(news), news)
        result = super().update(_id, _olds, _news)
        if not olds.following:
            retried = _follow_again(self.context(news), news)
            return UpdateResult({**(result.outs or {}), **retried})
        return result


def _direction(args: CutoverArgs) -> Direction:
    return cutover_direction(args.names, args.source_id, args.encrypted_id)


def _complete(context: StepContext, args: CutoverArgs) -> bool:
    return position_of(context, args) is Position.ENCRYPTED


def _completed(context: StepContext, args: CutoverArgs, outputs: Outputs) -> Outputs:
    """Add the outputs that a refresh will check again."""
    current: Outputs = {}
    try:
        current = _old_now(context, args)
    except Cancelled:
        raise
    except MigrationError as error:
        warning_for(args.urn)(f"rds-encrypt cannot check who still uses the old instance: {error}")
    return {**_with_following(context, args, outputs), "old_clients": current.get("old_clients", [])}


def _with_following(context: StepContext, args: CutoverArgs, outputs: Outputs) -> Outputs:
    """Add whether the old instance needs nothing now: the next `pulumi up` retries what is not confirmed."""
    path = outputs["rollback_path"]
    return {**outputs, "following": settled(path) or context.usable(args.source_id) is None}


def _old_now(context: StepContext, args: CutoverArgs) -> Outputs:
    """Check whether the old instance follows, and who is connected to it; report nothing for one that is between two statuses."""
    instances = context.instances.find_several([args.encrypted_id, args.source_id])
    encrypted, old = instances.get(args.encrypted_id), instances.get(args.source_id)
    if old is None or old.status in RETIRED:
        return {"old_clients": []}
    if encrypted is None or not old.available or not _complete(context, args):
        return {}
    with context.access.session(old) as session:
        return {**_path(session, encrypted, args), "old_clients": _clients(session, old, args)}


def _path(session: Session, encrypted: Instance, args: CutoverArgs) -> Outputs:
    """Return whether the old instance follows; nothing for one that does not have to."""
    status, state = channel.status(session), state_of(encrypted=encrypted)
    if status is None or not status.ours:
        detached = args.rollback_path == OPEN and not state.retired
        return (
            {"rollback_path": f"{LOST}nothing replicates to {session.endpoint} any more"} if detached else {}
        )
    if status.running:
        return {"rollback_path": OPEN, "following": True}
    lost = state.rollback_lost is not None
    return {"following": status.failure(session.endpoint) is not None and lost}


def _clients(session: Session, old: Instance, args: CutoverArgs) -> list[Outputs]:
    """Return who is connected to the old instance, warn about them, and write them into the report."""
    connected = clients(session, args.old_clients)
    listed = [as_inputs(client) for client in connected]
    if connected:
        warning_for(args.urn)(f"{old.identifier} is still in use: {', '.join(map(str, connected))}")
    if connected or args.old_clients:
        after_refresh(args, {"old_clients": listed})
    return listed


def _follow_again(context: StepContext, args: CutoverArgs) -> Outputs:
    """Try again to make the old instance follow, and return the result."""
    cutover = cutover_context(context, args, _direction(args))
    path = follow_up(cutover)
    warn(args, cutover)
    if path != OPEN:
        warning_for(args.urn)(f"rollback path {path}")
    return _with_following(context, args, {"rollback_path": path})


def _called_otherwise(context: StepContext, args: CutoverArgs) -> str | None:
    """Return the encrypted instance's name if it should be the source's and is not."""
    encrypted = context.instances.find(args.encrypted_id)
    moved = (
        encrypted is not None
        and not strategy_of(args.cutover).keeps_name
        and _complete(context, args)
        and encrypted.identifier != args.identifier
    )
    return encrypted.identifier if encrypted is not None and moved else None


def _require_name(context: StepContext, args: CutoverArgs) -> None:
    name = _called_otherwise(context, args)
    if name is None:
        return
    raise ActionRequired(
        f"production was renamed after the cutover; its name was `{args.identifier}`",
        where=name,
        fix=f"Rename it back to `{args.identifier}`; if another instance has that name now, rename that one first. Then run"
        " `pulumi refresh` and `pulumi up`",
        safe="rds-encrypt does not rename it, because a rename is an outage",
    )


def _lifted(context: StepContext, args: CutoverArgs) -> bool:
    """Whether the old instance accepts writes, which would cost the rollback path.

    Once it neither follows nor uses the fence's parameter group, it belongs to its owner again.
    """
    instances = context.instances.find_several([args.encrypted_id, args.source_id])
    encrypted, old = instances.get(args.encrypted_id), instances.get(args.source_id)
    if encrypted is None or old is None or not _complete(context, args):
        return False
    if not old.available:
        return False
    with context.access.session(old) as session:
        if writes.read_only(session):
            return False
        return old.parameter_group == args.names.fence or channel.status(session) is not None


def _close_again(context: StepContext, args: CutoverArgs) -> None:
    """Make the old instance refuse writes again, and warn about writes that it accepted meanwhile."""
    if not _lifted(context, args):
        return
    old, names = context.instances.get(args.source_id), args.names
    if reason := group_cannot(
        context.aws, old.parameter_group, old, context.instances.find(args.encrypted_id)
    ):
        raise ActionRequired(
            f"it accepts writes after the cutover, and cannot be fenced: {reason}",
            where=old.identifier,
            fix=f"Give it parameter group {names.fence}, reboot it, then run `pulumi up` again",
            safe="Production is not affected",
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
    warning_for(args.urn)(
        f"{old.identifier}: its fence was lifted, and rds-encrypt has closed it again. Production lacks the writes that"
        f" {old.identifier} accepted meanwhile: compare the two before a rollback."
    )


class Cutover(StepResource, provider=CutoverProvider):
    """The cutover: done once, never undone by a delete."""

    server_uuid: pulumi.Output[str]
    final_coordinates: pulumi.Output[str]
    timeline: pulumi.Output[dict[str, str]]
    write_outage: pulumi.Output[dict[str, float] | None]
    unenabled_events: pulumi.Output[list[str]]
    accepted_checks: pulumi.Output[list[str]]
    rollback_path: pulumi.Output[str]
    old_clients: pulumi.Output[list[dict[str, Any]]]
