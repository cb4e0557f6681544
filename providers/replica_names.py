"""Replica names: lets the encrypted replica take over the readers of the owner's replica, and gives them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, UpdateResult

from providers.arguments import as_inputs
from providers.progress import warning_for
from providers.replica_readers import (
    ReplicaNamesArgs,
    cannot_serve,
    promoted,
    require_in_sync,
    require_same_record,
    serves,
)
from providers.resource import StepResource
from providers.retirement import require_unused
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.access import endpoint_of
from rds_encrypt.aws import dns_records
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import Cancelled, MigrationError, PreconditionFailed, TimedOut
from rds_encrypt.core.waiting import Progress
from rds_encrypt.journal import KEYS, Role, Tag, tags_for
from rds_encrypt.mysql.connected_clients import clients
from rds_encrypt.replica_pairs import delete_counterparts, require_no_replicas
from rds_encrypt.state import carries_production, find_position
from rds_encrypt.temporary_resources import untag_or_warn

__all__ = ["ReplicaNames", "ReplicaNamesArgs", "ReplicaNamesProvider"]

_RENAME = 2 * HOUR
_HIDDEN = 600.0
"""Seconds for which a rename may hide an instance; one that gives its name away and is not listed after that was deleted meanwhile."""


class ReplicaNamesProvider(Step[ReplicaNamesArgs]):
    """Moves the readers of a replica. Outputs: ``serves``, the DbiResourceId of the replica that they use, and ``old_clients``, who is
    still connected to the owner's replica once the counterpart serves.

    The names and the record show how far a run got.
    """

    identity = ("original_id", "replica_id")
    ignored = (*Step.ignored, "accept", "hours")
    waits_for_names = True

    def perform(self, context: StepContext, args: ReplicaNamesArgs) -> Outputs:
        """Move the readers if the other one has them, once the one that gets them has caught up with production."""
        taker, giver = (
            (args.replica_id, args.original_id) if args.moved else (args.original_id, args.replica_id)
        )
        instances = context.instances.find_several([taker, giver])
        if original := instances.get(args.original_id):
            tags = {**tags_for(Role.ORIGINAL_REPLICA, args.source_id), Tag.READERS_NAME: args.replica}
            context.instances.tag(original, tags)
        served = taker in instances and serves(context, args, instances[taker], instances.get(giver))
        # RDS turns a replica whose source is deleted into an independent instance.
        if taker not in instances or (instances[taker].replica_of is None and (args.moved or not served)):
            raise cannot_serve(args, instances.get(taker))
        if not served:
            require_in_sync(context, args, taker)
            _move(context, args, instances[taker], instances.get(giver))
        elif not (instances[taker].available or instances[taker].broken):
            # A run that was killed has renamed it, which reboots it.
            context.instances.wait_until_available(taker, deadline=_RENAME, progress=context.progress)
        if args.retired and giver in instances:
            _retire(context, args, giver)
        return {"serves": taker, "old_clients": _old_clients(context, args)}

    def seen(self, context: StepContext, args: ReplicaNamesArgs) -> Outputs | None:
        """Tell whether the encrypted replica is still there, and who is connected to the other one."""
        if context.instances.find(args.replica_id) is None:
            return None
        return {"old_clients": _old_clients(context, args)}

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare the inputs that matter, a record that the config no longer has included."""
        result = super().diff(_id, _olds, _news)
        return DiffResult(
            changes=result.changes or _olds.get("record") != _news.get("record"),
            replaces=result.replaces,
            delete_before_replace=result.delete_before_replace,
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Run again: another phase wants the readers elsewhere."""
        olds, news = self.read_args(_olds), self.read_args(_news)
        require_same_record(self.context(news), olds, news)
        known = {"old_clients": _olds.get("old_clients"), **_news}
        return UpdateResult({**_olds, "record": None, **_news, **self.carry_out(known)})

    def undo(self, context: StepContext, args: ReplicaNamesArgs) -> None:
        """Keep the encrypted replica if production is encrypted, or nothing can replace it; otherwise give the readers back and delete it."""
        roles = (args.original_id, args.replica_id, args.source_id, args.encrypted_id)
        original, copy, source, encrypted = map(context.instances.find_several(roles).get, roles)
        warn = warning_for(args.urn)
        if copy is None:
            if original is not None and not _is_production(context, args, encrypted, source):
                _give_back(context, args, original, None)
        elif _is_production(context, args, encrypted, source):
            with _record_may_be_gone(warn):
                _leave_to_owner(context, args, original, copy, warn)
        elif reason := _irreplaceable(context, args, original, copy, encrypted):
            warn(f"{copy.identifier} stays, because {reason}: delete it once nobody needs it")
        elif original is not None:
            with _record_may_be_gone(warn):
                _point_back(context, args, original, copy)
            _give_back(context, args, original, copy)
            _delete(context, args, copy, warn)
            copy = None
        for replica in (original, copy):
            untag_or_warn(context.instances, replica, list(KEYS), warn, needed=False)


def _irreplaceable(
    context: StepContext,
    args: ReplicaNamesArgs,
    original: Instance | None,
    copy: Instance,
    encrypted: Instance | None,
) -> str | None:
    """Return why the encrypted replica must stay although production is unencrypted; ``None`` if it need not."""
    if original is None:
        return "the replica that it replaces is gone"
    if encrypted is None:
        return "the encrypted instance is gone"
    # RDS turns a replica whose source is deleted into an independent instance.
    if original.replica_of is None and _has_readers(context, args, copy):
        return (
            f"{original.identifier}, which it replaces, is no longer a replica, so its data does not change"
        )
    return None


def _has_readers(context: StepContext, args: ReplicaNamesArgs, copy: Instance) -> bool:
    if args.record is None:
        return copy.identifier == args.replica
    try:
        return dns_records.target(context.aws, args.record) == copy.address
    except PreconditionFailed:
        return False  # the record was deleted


def _is_production(
    context: StepContext, args: ReplicaNamesArgs, encrypted: Instance | None, source: Instance | None
) -> bool:
    return encrypted is not None and carries_production(
        find_position(context.aws, args.names, encrypted, source), encrypted
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
    delete_counterparts(context.instances, copy, args.source_id, context.progress)
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
    if serves(context, replace(args, moved=True), copy, original):
        return
    parked = original is None or original.identifier == names.old
    if args.strategy == "rename" and parked and not context.instances.named([names.source]):
        _rename(context, [(copy, names.source)])
        return
    warn(
        f"{copy.identifier} stays, and is the encrypted replica of production. Point the readers of {args.replica} to it: the unencrypted"
        " one follows production only as long as the old instance does"
    )


def _retire(context: StepContext, args: ReplicaNamesArgs, resource_id: str) -> None:
    """Delete it unless applications use it: RDS stops no instance that has replicas, and a replica has no data of its own."""
    replica, warn = context.instances.get(resource_id), warning_for(args.urn)
    if replica.replica_of is None:
        warn(
            f"{replica.identifier} stays: it is no longer a replica, so it may have data of its own. Delete it yourself once nobody needs it"
        )
        return
    if not replica.broken:
        replica = context.instances.wait_until_available(
            resource_id, deadline=HOUR, progress=context.progress
        )
    require_no_replicas(context.instances, replica)
    require_unused(context, replica, args.accept, warn)
    context.instances.delete(resource_id, final_snapshot=None, deadline=3 * HOUR, progress=context.progress)


def _old_clients(context: StepContext, args: ReplicaNamesArgs) -> list[Outputs]:
    """Return who is connected to the owner's replica after its readers have moved, and warn about them."""
    original = context.usable(args.original_id) if args.moved else None
    if original is None:
        return []
    warn = warning_for(args.urn)
    try:
        with context.access.session(original) as session:
            connected = clients(session, args.old_clients)
    except Cancelled:
        raise
    except MigrationError as error:
        warn(f"rds-encrypt cannot check who still uses {original.identifier}: {error}")
        return []
    if connected:
        warn(f"{original.identifier} is still in use: {', '.join(map(str, connected))}")
    return [as_inputs(client) for client in connected]


def _move(context: StepContext, args: ReplicaNamesArgs, taker: Instance, giver: Instance | None) -> None:
    """Move the readers, by name or by record."""
    if args.record is not None:
        dns_records.point(context.aws, args.record, endpoint_of(taker).host)
        return
    names = args.replica_names
    moves = [(taker, names.source)]
    if giver is not None and giver.identifier == names.source:
        if args.moved and giver.replica_of is None:
            raise promoted(giver)
        moves.insert(0, (giver, names.old if args.moved else names.encrypted))
    _rename(context, moves)


def _rename(context: StepContext, moves: list[tuple[Instance, str]]) -> None:
    """Rename all, if any; each request goes out as soon as RDS accepts it, because reads fail meanwhile."""
    if not moves:
        return
    for instance, identifier in moves:
        context.instances.ask_rename(
            instance.resource_id,
            identifier,
            parameter_group=instance.parameter_group,
            deadline=_RENAME,
            progress=context.progress,
        )
    (taker, name), *givers = moves[::-1]
    _await_rename(context, taker, name, _RENAME)
    for instance, identifier in givers:
        try:
            _await_rename(context, instance, identifier, _HIDDEN)
        except TimedOut:
            if context.instances.find(instance.resource_id) is not None:
                _await_rename(context, instance, identifier, _RENAME)


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
    """Give its name back to the owner's replica, unless a third instance has it; even if the config has another strategy by now.

    Only the name that rds-encrypt took from it: its owner may have given it another.
    """
    if original.identifier == args.replica_names.old:
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
