"""Replica names: lets the encrypted replica take over the readers of the owner's replica, and gives them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pulumi
from pulumi.dynamic import UpdateResult

from providers.arguments import NamedArgs, as_inputs, recorded
from providers.progress import warning_for
from providers.resource import StepResource
from providers.retirement import require_unused
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.access import endpoint_of
from rds_encrypt.aws import dns_records
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired, Cancelled, MigrationError
from rds_encrypt.core.waiting import Progress
from rds_encrypt.journal import KEYS, Role, tags_for
from rds_encrypt.mysql import lag
from rds_encrypt.mysql.connected_clients import Client, clients
from rds_encrypt.mysql.replica_status import required_status
from rds_encrypt.names import Names
from rds_encrypt.settings import DnsSettings, StrategyName
from rds_encrypt.state import Position, find_position
from rds_encrypt.temporary_resources import untag_or_warn

__all__ = ["ReplicaNames", "ReplicaNamesArgs", "ReplicaNamesProvider"]

_RENAME = 2 * HOUR


@dataclass(frozen=True, kw_only=True)
class ReplicaNamesArgs(NamedArgs):
    """The arguments of `ReplicaNames`.

    Attributes:
        replica: the name of the owner's replica before the cutover.
        original_id: its DbiResourceId.
        replica_id: that of its encrypted counterpart.
        encrypted_id: that of the encrypted instance, whose replica the counterpart is.
        moved: whether the counterpart serves the readers.
        first: whether it does so while the source still carries production.
        strategy: how readers move: with the name, or with ``record``, or, without either, by the owner's hand.
        record: the CNAME that readers use.
        retired: whether the owner's replica is deleted once the counterpart serves the readers.
        hours: the longest wait for the one that gets the readers to catch up.
        accept: the checks that need not pass, and why.
        old_clients: who was still connected to the owner's replica.
    """

    replica: str
    original_id: str
    replica_id: str
    encrypted_id: str
    moved: bool
    first: bool = False
    strategy: StrategyName = "rename"
    record: DnsSettings | None = None
    retired: bool = False
    hours: float
    accept: Mapping[str, str] = field(default_factory=dict)
    old_clients: tuple[Client, ...] = recorded(())

    @property
    def replica_names(self) -> Names:
        """The names that the two replicas have before, between and after."""
        return Names(self.replica)


class ReplicaNamesProvider(Step[ReplicaNamesArgs]):
    """Moves the readers of a replica. Outputs: ``serves``, the DbiResourceId of the replica that they use, and ``old_clients``, who is
    still connected to the owner's replica once the counterpart serves.

    Names and record tell how far a run came.
    """

    identity = ("original_id", "replica_id")
    ignored = (*Step.ignored, "accept", "hours")
    waits_for_names = True

    def perform(self, context: StepContext, args: ReplicaNamesArgs) -> Outputs:
        """Move the readers if the other one has them, once the one that gets them has caught up with production."""
        taker, giver = (
            (args.replica_id, args.original_id) if args.moved else (args.original_id, args.replica_id)
        )
        found = context.instances.find_several([taker, giver])
        if original := found.get(args.original_id):
            context.instances.tag(original, tags_for(Role.ORIGINAL_REPLICA, args.source_id))
        if taker not in found:
            raise ActionRequired(
                f"the replica {taker}, which is to serve the readers of {args.replica}, was deleted",
                where=args.replica,
                fix=f"Run `pulumi refresh`, then `pulumi up`, which makes another; or set `replicas.overrides` to `{{{args.replica}: leave}}`",
                safe="Production is not affected",
            )
        if not _serves(context, args, found[taker]):
            _require_in_sync(context, args, taker)
            _move(context, args, found[taker], found.get(giver))
        if args.retired and giver in found:
            _retire(context, args, giver)
        return {"serves": taker, "old_clients": _old_clients(context, args)}

    def seen(self, context: StepContext, args: ReplicaNamesArgs) -> Outputs | None:
        """Tell whether the encrypted replica is still there, and who is connected to the other one."""
        if context.instances.find(args.replica_id) is None:
            return None
        return {"old_clients": _old_clients(context, args)}

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Run again: another phase wants the readers elsewhere."""
        known = {"old_clients": _olds.get("old_clients"), **_news}
        return UpdateResult({**_olds, **_news, **self.carry_out(known)})

    def undo(self, context: StepContext, args: ReplicaNamesArgs) -> None:
        """Keep the encrypted replica if its source carries production; otherwise give the readers back and delete it."""
        roles = (args.original_id, args.replica_id, args.source_id, args.encrypted_id)
        original, copy, source, encrypted = map(context.instances.find_several(roles).get, roles)
        warn = warning_for(args.urn)
        stays = copy is not None
        if encrypted is not None and _carries_production(context, args, encrypted, source):
            if copy is not None:
                _leave_to_owner(context, args, original, copy, warn)
        elif original is not None:
            _give_back(context, args, original, copy)
            stays = False
        elif copy is not None and _serves(context, args, copy):
            warn(
                f"{copy.identifier} serves readers and stays, but its source is deleted: replace it with a replica of {args.identifier}"
            )
        else:
            stays = False
        if copy is not None and not stays:
            context.instances.delete(
                copy.resource_id, final_snapshot=None, deadline=3 * HOUR, progress=context.progress
            )
        for each in (original, copy if stays else None):
            untag_or_warn(context.instances, each, list(KEYS), warn, needed=False)


def _carries_production(
    context: StepContext, args: ReplicaNamesArgs, encrypted: Instance, source: Instance | None
) -> bool:
    return find_position(context.aws, args.names, encrypted, source) is not Position.SOURCE


def _leave_to_owner(
    context: StepContext, args: ReplicaNamesArgs, original: Instance | None, copy: Instance, warn: Progress
) -> None:
    """Complete a rename that was interrupted half-way; where readers use the owner's replica, say that it no longer follows."""
    if _serves(context, args, copy):
        return
    names = args.replica_names
    parked = original is None or original.identifier == names.old
    if args.strategy == "rename" and parked and not context.instances.named([names.source]):
        _rename(context, [(copy, names.source)])
        return
    warn(
        f"{copy.identifier} stays, and is the encrypted replica of production. Point the readers of {args.replica} to it:"
        " the unencrypted one no longer follows"
    )


def _serves(context: StepContext, args: ReplicaNamesArgs, replica: Instance) -> bool:
    """Whether readers find this replica; where rds-encrypt does not move them, it is the one that they should use."""
    if args.strategy == "rename":
        return replica.identifier == args.replica
    if args.record is not None:
        return dns_records.target(context.aws, args.record) == replica.address
    return (replica.resource_id == args.replica_id) is args.moved


def _require_in_sync(context: StepContext, args: ReplicaNamesArgs, taker: str) -> None:
    """Wait until it has what production had at one poll, through the encrypted instance if it follows that: readers must not see the
    past.
    """
    chain = [args.encrypted_id if args.moved else args.source_id, taker]
    if args.first and args.moved:
        chain.insert(0, args.source_id)
    deadline = args.hours * HOUR
    for ahead_id, behind_id in pairwise(chain):
        follower = context.instances.wait_until_available(
            behind_id, deadline=deadline, progress=context.progress
        )
        with context.session(ahead_id) as ahead, context.access.session(follower) as behind:
            if delay := required_status(behind).delay:
                raise ActionRequired(
                    f"it is delayed by {delay} s, so it never catches up with production",
                    where=follower.identifier,
                    fix="End the delay (CALL mysql.rds_set_source_delay(0)), then run `pulumi up` again",
                    safe="Production is not affected",
                )
            lag.catch_up(ahead, behind, deadline=deadline, progress=context.progress)


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


def _old_clients(context: StepContext, args: ReplicaNamesArgs) -> list[Outputs]:
    """Return who is connected to the owner's replica after its readers have moved, and warn about them."""
    original = context.usable(args.original_id) if args.moved else None
    if original is None:
        return []
    warn = warning_for(args.urn)
    try:
        with context.access.session(original) as session:
            found = clients(session, args.old_clients)
    except Cancelled:
        raise
    except MigrationError as error:
        warn(f"rds-encrypt cannot check who still uses {original.identifier}: {error}")
        return []
    if found:
        warn(f"{original.identifier} is still in use: {', '.join(map(str, found))}")
    return [as_inputs(each) for each in found]


def _move(context: StepContext, args: ReplicaNamesArgs, taker: Instance, giver: Instance | None) -> None:
    """Move the readers, by name or by record."""
    if args.record is not None:
        dns_records.point(context.aws, args.record, endpoint_of(taker).host)
        return
    names = args.replica_names
    moves = [(taker, names.source)]
    if giver is not None and giver.identifier == names.source:
        moves.insert(0, (giver, names.old if args.moved else names.encrypted))
    _rename(context, moves)


def _rename(context: StepContext, moves: list[tuple[Instance, str]]) -> None:
    """Rename all; each request goes out as soon as RDS accepts it, because reads fail meanwhile."""
    instances = context.instances
    for ask_or_await, ordered in ((instances.ask_rename, moves), (instances.await_rename, moves[::-1])):
        for each, identifier in ordered:
            ask_or_await(
                each.resource_id,
                identifier,
                parameter_group=each.parameter_group,
                deadline=_RENAME,
                progress=context.progress,
            )


def _give_back(
    context: StepContext, args: ReplicaNamesArgs, original: Instance, copy: Instance | None
) -> None:
    """Give the readers back to the owner's replica, unless a third one serves them."""
    if args.record is not None:
        if copy is not None and _serves(context, args, copy):
            dns_records.point(context.aws, args.record, endpoint_of(original).host)
        return
    if args.strategy != "rename" or original.identifier == args.replica:
        return
    _rename(context, list(_back(context, args, original, copy)))


def _back(
    context: StepContext, args: ReplicaNamesArgs, original: Instance, copy: Instance | None
) -> Iterator[tuple[Instance, str]]:
    names = args.replica_names
    holder = context.instances.named([names.source]).get(names.source)
    if holder is not None:
        if copy is None or holder.resource_id != copy.resource_id:
            return
        yield copy, names.encrypted
    yield original, names.source


class ReplicaNames(StepResource, provider=ReplicaNamesProvider):
    """The readers of one of the owner's replicas, at the replica that serves them in this phase."""

    serves: pulumi.Output[str]
    old_clients: pulumi.Output[list[dict[str, Any]]]
