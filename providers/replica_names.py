"""Replica names: lets the encrypted replica take over the name of the owner's replica, and gives it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.dynamic import UpdateResult

from providers.arguments import NamedArgs
from providers.progress import warning_for
from providers.resource import StepResource
from providers.retirement import require_unused
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.journal import KEYS, Role, tags_for
from rds_encrypt.mysql import lag
from rds_encrypt.temporary_resources import untag_or_warn

__all__ = ["ReplicaNames", "ReplicaNamesArgs", "ReplicaNamesProvider"]

_RENAME = 2 * HOUR


@dataclass(frozen=True, kw_only=True)
class ReplicaNamesArgs(NamedArgs):
    """The arguments of `ReplicaNames`; ``identifier`` is the name that readers use.

    Attributes:
        original_id: the DbiResourceId of the owner's replica.
        replica_id: that of its encrypted counterpart.
        primary_id: that of the instance that carries production.
        moved: whether the counterpart has the name.
        retired: whether the owner's replica is deleted once it has lost the name.
        hours: the longest wait for the one that gets the name to catch up.
        accept: the checks that need not pass, and why.
    """

    original_id: str
    replica_id: str
    primary_id: str
    moved: bool
    retired: bool = False
    hours: float
    accept: Mapping[str, str] = field(default_factory=dict)


class ReplicaNamesProvider(Step[ReplicaNamesArgs]):
    """Moves the name of a replica. Outputs: ``at_name``, the DbiResourceId of the replica that has the name.

    The names tell how far a run came: the one that has the name gives it up, the other one takes it.
    """

    identity = ("original_id", "replica_id")
    ignored = (*Step.ignored, "accept", "hours", "primary_id")

    def perform(self, context: StepContext, args: ReplicaNamesArgs) -> Outputs:
        """Move the name if the other one has it, once the one that gets it has caught up with production."""
        names = args.names
        taker, giver, parked = (
            (args.replica_id, args.original_id, names.old)
            if args.moved
            else (args.original_id, args.replica_id, names.encrypted)
        )
        found = context.instances.find_several([taker, giver])
        if original := found.get(args.original_id):
            context.instances.tag(original, tags_for(Role.ORIGINAL_REPLICA, args.source_id))
        if taker not in found:
            raise ActionRequired(
                f"the replica {taker}, which is to have this name, was deleted",
                where=names.source,
                fix="Create a replica of production with this name, or set `replicas` to `leave`; then run `pulumi up` again",
                safe="Production is not affected",
            )
        if found[taker].identifier != names.source:
            _require_in_sync(context, args, taker)
            _move(context, names.source, found[taker], found.get(giver), parked)
        if args.retired and giver in found:
            _retire(context, args, giver)
        return {"at_name": taker}

    def seen(self, context: StepContext, args: ReplicaNamesArgs) -> Outputs | None:
        """Tell whether the encrypted replica is still there."""
        return {} if context.instances.find(args.replica_id) else None

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Run again: another phase wants the name elsewhere."""
        return UpdateResult({**_olds, **_news, **self.carry_out(_news)})

    def undo(self, context: StepContext, args: ReplicaNamesArgs) -> None:
        """Delete the encrypted replica unless it has the name, which the owner's replica gets back if it has lost it."""
        found = context.instances.find_several([args.original_id, args.replica_id])
        encrypted, original = found.get(args.replica_id), found.get(args.original_id)
        kept = [original]
        if encrypted is not None and encrypted.identifier == args.names.source:
            kept.append(encrypted)
        else:
            if original is not None and original.identifier == args.names.old:
                _move(context, args.names.source, original, None, "")
            if encrypted is not None:
                context.instances.delete(
                    encrypted.resource_id, final_snapshot=None, deadline=3 * HOUR, progress=context.progress
                )
        for each in kept:
            untag_or_warn(context.instances, each, list(KEYS), warning_for(args.urn), needed=False)


def _require_in_sync(context: StepContext, args: ReplicaNamesArgs, taker: str) -> None:
    """Wait until it has what production had at one poll: readers must not see the past."""
    replica = context.instances.wait_until_available(
        taker, deadline=args.hours * HOUR, progress=context.progress
    )
    with context.session(args.primary_id) as ahead, context.access.session(replica) as behind:
        lag.catch_up(ahead, behind, deadline=args.hours * HOUR, progress=context.progress)


def _retire(context: StepContext, args: ReplicaNamesArgs, resource_id: str) -> None:
    """Delete it unless applications use it: RDS stops no instance that has replicas, and it has no data of its own."""
    found = context.instances.get(resource_id)
    if found.replicas:
        raise ActionRequired(
            f"it has replicas of its own, which would become independent instances: {', '.join(found.replicas)}",
            where=found.identifier,
            fix="Delete them, or set `cleanup.old` to `keep`; then run `pulumi up` again",
            safe="Production is not affected",
        )
    require_unused(context, found, args.accept, warning_for(args.urn))
    context.instances.delete(resource_id, final_snapshot=None, deadline=3 * HOUR, progress=context.progress)


def _move(context: StepContext, name: str, taker: Instance, giver: Instance | None, parked: str) -> None:
    """Rename both; the second request goes out as soon as RDS accepts it, because reads fail meanwhile."""
    instances = context.instances
    moves = [(taker, name)]
    if giver is not None and giver.identifier == name:
        moves.insert(0, (giver, parked))
    for ask_or_await, ordered in ((instances.ask_rename, moves), (instances.await_rename, moves[::-1])):
        for each, identifier in ordered:
            ask_or_await(
                each.resource_id,
                identifier,
                parameter_group=each.parameter_group,
                deadline=_RENAME,
                progress=context.progress,
            )


class ReplicaNames(StepResource, provider=ReplicaNamesProvider):
    """The name of one of the owner's replicas, at the replica that has it in this phase."""

    at_name: pulumi.Output[str]
