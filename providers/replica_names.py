"""Replica names: lets the encrypted replica take over the readers of the owner's replica, and gives them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, UpdateResult

from providers.arguments import NamedArgs, as_inputs, recorded
from providers.progress import warning_for
from providers.resource import StepResource
from providers.retirement import require_unused
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.access import endpoint_of
from rds_encrypt.aws import dns_records
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired, Cancelled, MigrationError, PreconditionFailed, TimedOut
from rds_encrypt.core.waiting import Progress
from rds_encrypt.journal import KEYS, Role, Tag, tags_for
from rds_encrypt.mysql import lag
from rds_encrypt.mysql.connected_clients import Client, clients
from rds_encrypt.mysql.replica_status import required_status
from rds_encrypt.names import Names
from rds_encrypt.settings import DnsSettings, StrategyName
from rds_encrypt.state import carries_production, find_position
from rds_encrypt.temporary_resources import untag_or_warn

__all__ = ["ReplicaNames", "ReplicaNamesArgs", "ReplicaNamesProvider"]

_RENAME = 2 * HOUR
_HIDDEN = 600.0
"""Seconds for which a rename may hide an instance; one that gives its name away and is not listed after that was deleted meanwhile."""


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
            tags = {**tags_for(Role.ORIGINAL_REPLICA, args.source_id), Tag.READERS_NAME: args.replica}
            context.instances.tag(original, tags)
        # RDS makes an instance of its own of a replica whose source is deleted.
        if taker not in found or (args.moved and found[taker].replica_of is None):
            raise _cannot_serve(args, found.get(taker))
        if not _serves(context, args, found[taker], found.get(giver)):
            _require_in_sync(context, args, taker)
            _move(context, args, found[taker], found.get(giver))
        elif not (found[taker].available or found[taker].broken):
            # A run that was killed has renamed it, which reboots it.
            context.instances.wait_until_available(taker, deadline=_RENAME, progress=context.progress)
        if args.retired and giver in found:
            _retire(context, args, giver)
        return {"serves": taker, "old_clients": _old_clients(context, args)}

    def seen(self, context: StepContext, args: ReplicaNamesArgs) -> Outputs | None:
        """Tell whether the encrypted replica is still there, and who is connected to the other one."""
        if context.instances.find(args.replica_id) is None:
            return None
        return {"old_clients": _old_clients(context, args)}

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare the inputs that matter, a record that the config no longer has included."""
        found = super().diff(_id, _olds, _news)
        return DiffResult(
            changes=found.changes or _olds.get("record") != _news.get("record"),
            replaces=found.replaces,
            delete_before_replace=found.delete_before_replace,
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Run again: another phase wants the readers elsewhere."""
        olds, news = self.read_args(_olds), self.read_args(_news)
        _require_same_record(self.context(news), olds, news)
        known = {"old_clients": _olds.get("old_clients"), **_news}
        return UpdateResult({**_olds, "record": None, **_news, **self.carry_out(known)})

    def undo(self, context: StepContext, args: ReplicaNamesArgs) -> None:
        """Keep the encrypted replica if its source carries production, or is gone; otherwise give the readers back and delete it."""
        roles = (args.original_id, args.replica_id, args.source_id, args.encrypted_id)
        original, copy, source, encrypted = map(context.instances.find_several(roles).get, roles)
        warn = warning_for(args.urn)
        if copy is None:
            if original is not None and not _is_production(context, args, encrypted, source):
                _give_back(context, args, original, None)
        elif _is_production(context, args, encrypted, source):
            with _record_may_be_gone(warn):
                _leave_to_owner(context, args, original, copy, warn)
        elif original is None or encrypted is None:
            warn(
                f"{copy.identifier} stays, because {'its source' if original is not None else 'the replica that it replaces'} is gone:"
                " delete it once nobody needs it"
            )
        else:
            with _record_may_be_gone(warn):
                _point_back(context, args, original, copy)
            _give_back(context, args, original, copy)
            _delete(context, args, copy, warn)
            copy = None
        for each in (original, copy):
            untag_or_warn(context.instances, each, list(KEYS), warn, needed=False)


def _is_production(
    context: StepContext, args: ReplicaNamesArgs, encrypted: Instance | None, source: Instance | None
) -> bool:
    return encrypted is not None and carries_production(
        find_position(context.aws, args.names, encrypted, source), encrypted
    )


def _cannot_serve(args: ReplicaNamesArgs, taker: Instance | None) -> ActionRequired:
    """Return why readers cannot move: the replica that should get them is gone, or follows nobody."""
    leave = f"set `replicas.overrides` to `{{{args.replica}: leave}}`"
    if not args.moved:
        return ActionRequired(
            "the unencrypted replica, which is to serve its readers again, was deleted",
            where=args.replica,
            fix=f"{leave[0].upper()}{leave[1:]}, which leaves the readers where they are",
            safe="Production is not affected",
        )
    if taker is None:
        return ActionRequired(
            "its encrypted replica was deleted",
            where=args.replica,
            fix=f"Run `pulumi refresh`, then `pulumi up`, which makes another until the cutover; after it, {leave}",
            safe="Production is not affected",
        )
    return ActionRequired(
        "it is no longer a replica, so its data does not change",
        where=taker.identifier,
        fix=f"Delete it, then run `pulumi refresh` and `pulumi up`, which makes another until the cutover; after it, {leave}",
        safe="Production is not affected",
    )


def _require_same_record(context: StepContext, olds: ReplicaNamesArgs, news: ReplicaNamesArgs) -> None:
    """Refuse to forget a record that points at the encrypted replica: nobody would point it back."""
    copy = context.instances.find(olds.replica_id)
    if olds.record is None or olds.record == news.record or copy is None:
        return
    if dns_records.target(context.aws, olds.record) == copy.address:
        raise ActionRequired(
            f"the config no longer has the record {olds.record.record}, which points at {copy.identifier}",
            where=olds.replica,
            fix="Put it back into `replicas.records`, or point it elsewhere yourself",
            safe="Nothing was changed",
        )


def _delete(context: StepContext, args: ReplicaNamesArgs, copy: Instance, warn: Progress) -> None:
    """Delete the encrypted replica; where its owner moves readers, not before they are gone."""
    if args.strategy != "rename" and args.record is None:
        require_unused(
            context,
            copy,
            args.accept,
            warn,
            to=args.replica,
            otherwise="delete it yourself",
        )
    context.instances.delete(
        copy.resource_id, final_snapshot=None, deadline=3 * HOUR, progress=context.progress
    )


def _leave_to_owner(
    context: StepContext, args: ReplicaNamesArgs, original: Instance | None, copy: Instance, warn: Progress
) -> None:
    """Complete a rename that was interrupted half-way; where readers use the owner's replica, say what becomes of it."""
    names = args.replica_names
    if copy.replica_of is None:
        warn(f"{copy.identifier} stays, but is no longer a replica: delete it once nobody needs it")
        return
    if _serves(context, replace(args, moved=True), copy, original):
        return
    parked = original is None or original.identifier == names.old
    if args.strategy == "rename" and parked and not context.instances.named([names.source]):
        _rename(context, [(copy, names.source)])
        return
    warn(
        f"{copy.identifier} stays, and is the encrypted replica of production. Point the readers of {args.replica} to it: the unencrypted"
        " one follows production only as long as the old instance does"
    )


def _serves(context: StepContext, args: ReplicaNamesArgs, taker: Instance, giver: Instance | None) -> bool:
    """Whether readers find the one that is to serve them; where rds-encrypt does not move them, that is up to the owner.

    A record is pointed back at the owner's replica only if it points at the encrypted one.
    """
    if args.strategy == "rename":
        return taker.identifier == args.replica
    if args.record is None:
        return True
    target = dns_records.target(context.aws, args.record)
    return target == taker.address if args.moved else giver is None or target != giver.address


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
    if not found.broken:
        found = context.instances.wait_until_available(resource_id, deadline=HOUR, progress=context.progress)
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
    for each, identifier in moves:
        context.instances.ask_rename(
            each.resource_id,
            identifier,
            parameter_group=each.parameter_group,
            deadline=_RENAME,
            progress=context.progress,
        )
    (taker, name), *givers = moves[::-1]
    _await_rename(context, taker, name, _RENAME)
    for each, identifier in givers:
        try:
            _await_rename(context, each, identifier, _HIDDEN)
        except TimedOut:
            if context.instances.find(each.resource_id) is not None:
                _await_rename(context, each, identifier, _RENAME)


def _await_rename(context: StepContext, renamed: Instance, identifier: str, deadline: float) -> None:
    context.instances.await_rename(
        renamed.resource_id,
        identifier,
        parameter_group=renamed.parameter_group,
        deadline=deadline,
        progress=context.progress,
    )


@contextmanager
def _record_may_be_gone(warn: Progress) -> Iterator[None]:
    """Go on without a record that was deleted: a destroy must not need it."""
    try:
        yield
    except PreconditionFailed as error:
        warn(str(error))


def _point_back(context: StepContext, args: ReplicaNamesArgs, original: Instance, copy: Instance) -> None:
    if args.record is not None and dns_records.target(context.aws, args.record) == copy.address:
        dns_records.point(context.aws, args.record, endpoint_of(original).host)


def _give_back(
    context: StepContext, args: ReplicaNamesArgs, original: Instance, copy: Instance | None
) -> None:
    """Give its name back to the owner's replica, unless a third one has it; even if the config has another strategy by now."""
    if original.identifier != args.replica and (moves := list(_back(context, args, original, copy))):
        _rename(context, moves)


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
