"""Where the readers of a replica are, and what must hold before they move to the other one of the two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from providers.arguments import NamedArgs, recorded
from providers.step import HOUR, StepContext
from rds_encrypt.aws import dns_records
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired, PreconditionFailed
from rds_encrypt.mysql import lag
from rds_encrypt.mysql.connected_clients import Client
from rds_encrypt.mysql.replica_status import required_status
from rds_encrypt.names import Names
from rds_encrypt.replica_pairs import PROMOTED
from rds_encrypt.settings import DnsSettings, StrategyName

__all__ = [
    "ReplicaNamesArgs",
    "cannot_serve",
    "promoted",
    "require_in_sync",
    "require_same_record",
    "serves",
]


@dataclass(frozen=True, kw_only=True)
class ReplicaNamesArgs(NamedArgs):
    """The arguments of `ReplicaNames`.

    Attributes:
        replica: the name of the owner's replica before the cutover.
        original_id: its DbiResourceId.
        replica_id: that of its encrypted counterpart.
        encrypted_id: that of the encrypted instance.
        through_id: that of the replica in between, which the one that gets the readers follows; ``None`` if that follows the source or
            the encrypted instance itself.
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
    through_id: str | None = None
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


def cannot_serve(args: ReplicaNamesArgs, taker: Instance | None) -> ActionRequired:
    """Return why readers cannot move: the replica that should get them is gone, or follows nobody."""
    leave = f"set `replicas.overrides` to `{{{args.replica}: leave}}`"
    if not args.moved:
        lost = "was deleted" if taker is None else "is no longer a replica, so its data does not change"
        return ActionRequired(
            f"the unencrypted replica, which is to serve its readers again, {lost}",
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


def promoted(original: Instance) -> ActionRequired:
    """Return why readers cannot move away from an instance that has become independent."""
    return ActionRequired(
        PROMOTED,
        where=original.identifier,
        fix=f"Set `replicas.overrides` to `{{{original.identifier}: leave}}`, which leaves it as it is",
        safe="Production is not affected",
    )


def require_same_record(context: StepContext, olds: ReplicaNamesArgs, news: ReplicaNamesArgs) -> None:
    """Refuse to forget a record that points at the encrypted replica: nobody would point it back."""
    copy = context.instances.find(olds.replica_id)
    if olds.record is None or olds.record == news.record or copy is None:
        return
    try:
        target = dns_records.target(context.aws, olds.record)
    except PreconditionFailed:
        return  # its owner has deleted it, or made it one that rds-encrypt does not change
    if target == copy.address:
        raise ActionRequired(
            f"the config no longer has the record {olds.record.record}, which points at {copy.identifier}",
            where=olds.replica,
            fix="Put it back into `replicas.records`, or point it elsewhere yourself",
            safe="Nothing was changed",
        )


def serves(context: StepContext, args: ReplicaNamesArgs, taker: Instance, giver: Instance | None) -> bool:
    """Whether readers find the one that is to serve them; where rds-encrypt does not move them, that is up to the owner.

    A record is pointed back at the owner's replica only if it points at the encrypted one.
    """
    if args.strategy == "rename":
        taken = giver is not None and giver.identifier == args.replica
        renamed_by_owner = taker.identifier != args.replica_names.old and not taken
        return taker.identifier == args.replica or (not args.moved and renamed_by_owner)
    if args.record is None:
        return True
    target = dns_records.target(context.aws, args.record)
    return target == taker.address if args.moved else giver is None or target != giver.address


def require_in_sync(context: StepContext, args: ReplicaNamesArgs, taker: str) -> None:
    """Wait until it has what production had at one poll, through every instance in between: readers must not see the past."""
    chain = [args.encrypted_id if args.moved else args.source_id, taker]
    if args.first and args.moved:
        chain.insert(0, args.source_id)
    if args.through_id is not None:
        _require_there(context, args, args.through_id)
        chain.insert(-1, args.through_id)
    deadline = args.hours * HOUR
    for ahead_id, behind_id in pairwise(chain):
        follower = context.instances.wait_until_available(
            behind_id, deadline=deadline, progress=context.progress
        )
        with (
            _told_of(args, follower),
            context.session(ahead_id) as ahead,
            context.access.session(follower) as behind,
        ):
            if delay := required_status(behind).delay:
                raise ActionRequired(
                    f"it is delayed by {delay} s, so it never catches up with production",
                    where=follower.identifier,
                    fix="End the delay (CALL mysql.rds_set_source_delay(0)), then run `pulumi up` again",
                    safe="Production is not affected",
                )
            lag.catch_up(ahead, behind, deadline=deadline, progress=context.progress)


@contextmanager
def _told_of(args: ReplicaNamesArgs, follower: Instance) -> Iterator[None]:
    """Say of a broken replica what helps it: the advice for the encrypted instance would end the migration."""
    try:
        yield
    except ActionRequired as error:
        if (
            follower.resource_id not in {args.original_id, args.replica_id}
            or error.where == follower.identifier
        ):
            raise
        broken = cannot_serve(args, follower if args.moved else None)
        raise ActionRequired(
            error.what, where=follower.identifier, fix=broken.fix, safe="Production is not affected"
        ) from error


def _require_there(context: StepContext, args: ReplicaNamesArgs, through_id: str) -> None:
    """Refuse to wait for a replica in between that was deleted; RDS does not list one for a moment while it renames it."""
    if context.instances.find(through_id) is None:
        raise ActionRequired(
            f"the replica through which it gets its data ({through_id}) is not there",
            where=args.replica,
            fix="Wait until RDS has renamed that replica or, if it was deleted, has made its replicas instances of their own; then run"
            " `pulumi up` again, which says what to do",
            safe="Production is not affected",
        )
