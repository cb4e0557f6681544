"""The owner's read replicas and their replicas, each with the encrypted replica that takes over its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.core.waiting import Progress, Wait, until
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Role, Tag, belongs, tags_for
from rds_encrypt.names import Names
from rds_encrypt.phases import Method
from rds_encrypt.settings import ReplicaSettings

__all__ = [
    "PROMOTED",
    "ReplicaPair",
    "delete_counterparts",
    "find_counterparts",
    "find_originals",
    "find_pairs",
    "pair_tags",
    "require_no_replicas",
]

PROMOTED = (
    "it is no longer a replica, so it may have data of its own, and its encrypted replica would take its name"
)
"""Why readers do not move away from a replica that its owner has promoted."""
_PATIENCE = 3 * 3600.0
_RENAME_GAP = 300.0
"""Seconds for which an interrupted rename may hide an instance."""


@dataclass(frozen=True)
class ReplicaPair:
    """One replica of the owner's, and its encrypted counterpart.

    Attributes:
        name: the name that readers use: the replica's before the cutover.
        original_id: the DbiResourceId of the owner's replica.
        original: that replica; ``None`` once it is deleted.
        encrypted: its counterpart; ``None`` until it exists.
        above: the pair whose replicas these two are; ``None`` if the original is a replica of the source itself.
    """

    name: str
    original_id: str
    original: Instance | None
    encrypted: Instance | None
    above: ReplicaPair | None = None

    @property
    def members(self) -> tuple[Instance, ...]:
        """Those of the two that exist."""
        return tuple(instance for instance in (self.original, self.encrypted) if instance is not None)

    def at_name(self, *, encrypted: bool) -> bool:
        """Whether the encrypted counterpart, or else the owner's replica, has the name."""
        instance = self.encrypted if encrypted else self.original
        return instance is not None and instance.identifier == self.name

    @property
    def names(self) -> Names:
        """The names that the two have before, between and after."""
        return Names(self.name)


def find_pairs(
    instances: Instances, topology: Topology, method: Method, settings: ReplicaSettings
) -> tuple[ReplicaPair, ...]:
    """Find the pairs: by tags those that exist, and, until the cutover, one for each replica that has no counterpart yet.

    The replicas of a replica that comes along are pairs too, listed after those of the source. Their own replicas are not.

    Args:
        instances: the region's.
        topology: the instances of the migration.
        method: `offline` has no pairs: its encrypted instance exists only once production is about to move.
        settings: which replicas come along.
    """
    if method == "offline":
        return ()
    both = [instance for instance in (topology.source, topology.encrypted) if instance is not None]
    moving = topology.state.cutover_begun
    pairs = _pairs_among(_replicas_of(instances, both, moving=moving), topology, settings)
    members = [member for pair in pairs for member in pair.members]
    listed = {replica.identifier: replica for replica in _replicas_of(instances, members, moving=moving)}
    deeper = [
        below
        for pair in pairs
        for below in _pairs_among(
            [listed[name] for member in pair.members for name in member.replicas_here if name in listed],
            topology,
            settings,
            pair,
        )
    ]
    return _one_per_name([*pairs, *deeper])


def _pairs_among(
    listed: Sequence[Instance],
    topology: Topology,
    settings: ReplicaSettings,
    above: ReplicaPair | None = None,
) -> list[ReplicaPair]:
    """Pair these replicas, which have the same two sources, and leave out what the config leaves."""
    pairs = _with_counterparts(listed, topology.source_id, above)
    if not topology.state.cutover_begun:
        paired = {pair.original_id for pair in pairs}
        pairs += [
            # Its readers may have moved first, and their name with them.
            ReplicaPair(
                replica.tags.get(Tag.READERS_NAME, replica.identifier),
                replica.resource_id,
                replica,
                None,
                above,
            )
            for replica in listed
            if _may_come_along(replica, topology) and replica.resource_id not in paired
        ]
    return sorted((pair for pair in pairs if settings.take(pair.name)), key=lambda pair: pair.name)


def _with_counterparts(
    listed: Sequence[Instance], source_id: str, above: ReplicaPair | None = None
) -> list[ReplicaPair]:
    """Return a pair for each encrypted counterpart, with the owner's replica if that is listed too."""
    by_id = {replica.resource_id: replica for replica in listed}
    return [
        ReplicaPair(name, original_id, by_id.get(original_id), counterpart, above)
        for counterpart in listed
        if _is_counterpart(counterpart, source_id)
        for original_id, name in [_stands_for(counterpart)]
    ]


def _one_per_name(pairs: Sequence[ReplicaPair]) -> tuple[ReplicaPair, ...]:
    """Keep of each name the pair with a counterpart: the owner may have made another replica with the name of one that was deleted."""
    chosen: dict[str, ReplicaPair] = {}
    for pair in sorted(pairs, key=lambda pair: pair.encrypted is None):
        chosen.setdefault(pair.name, pair)
    return tuple(pair for pair in pairs if chosen[pair.name] is pair)


def _may_come_along(replica: Instance, topology: Topology) -> bool:
    """Whether an instance is a replica of the owner's, not the migration's own."""
    ours = belongs(replica.tags, Role.REPLICA) or belongs(replica.tags, Role.ENCRYPTED_REPLICA)
    return not (ours or replica.encrypted or replica.identifier == topology.names.replica)


def pair_tags(pair: ReplicaPair, source_id: str) -> dict[str, str]:
    """Return the tags of the encrypted counterpart, which lead to the owner's replica under any name."""
    return {
        **tags_for(Role.ENCRYPTED_REPLICA, source_id),
        Tag.REPLICA_OF: f"{pair.original_id}/{pair.name}",
    }


def _is_counterpart(replica: Instance, source_id: str) -> bool:
    return belongs(replica.tags, Role.ENCRYPTED_REPLICA) and replica.tags.get(Tag.MIGRATION) == source_id


def _stands_for(counterpart: Instance) -> tuple[str, str]:
    """Return the DbiResourceId of the owner's replica, and the name that its readers use."""
    original_id, _, name = counterpart.tags[Tag.REPLICA_OF].partition("/")
    return original_id, name


def find_counterparts(instances: Instances, encrypted: Instance, source_id: str) -> list[ReplicaPair]:
    """Find the encrypted replicas that take over the owner's, without these; sorted by the name that readers use."""
    direct = _replicas_of(instances, [encrypted])
    listed = [*direct, *_replicas_of(instances, direct)]
    return sorted(_with_counterparts(listed, source_id), key=lambda pair: pair.name)


def delete_counterparts(
    instances: Instances, encrypted: Instance, source_id: str, progress: Progress
) -> None:
    """Delete the encrypted replicas that no step knows, the deepest first, before the instance whose replicas they are.

    Raises:
        ActionRequired: it has others, or one that serves readers: without it, RDS would make them instances of their own.
    """
    encrypted = instances.get(encrypted.resource_id)
    ours = {
        name: counterpart
        for name, counterpart in instances.named(encrypted.replicas_here).items()
        if _is_counterpart(counterpart, source_id) and _stands_for(counterpart)[1] != name
    }
    if others := sorted(set(encrypted.replicas) - ours.keys()):
        raise ActionRequired(
            f"it has replicas that would become instances of their own, with data that no longer changes: {', '.join(others)}",
            where=encrypted.identifier,
            fix="Run `pulumi up` in phase `replicate`, then `pulumi destroy` again; or delete these replicas yourself",
            safe="It was not deleted",
        )
    for counterpart in ours.values():
        delete_counterparts(instances, counterpart, source_id, progress)
        instances.delete(counterpart.resource_id, final_snapshot=None, deadline=_PATIENCE, progress=progress)


def require_no_replicas(instances: Instances, instance: Instance, *, without: str = "") -> None:
    """Require that an instance that is to be stopped or deleted has no replicas, but for one of that name.

    Raises:
        ActionRequired: it has: RDS does not stop it, and makes them instances of their own when it deletes it.
    """
    # RDS may list one that was deleted a moment ago.
    existing = instances.named(instance.replicas_here)
    remaining = [name for name in instance.replicas if name != without and (":" in name or name in existing)]
    if remaining:
        raise ActionRequired(
            f"it has replicas, which would become independent instances: {', '.join(remaining)}",
            where=instance.identifier,
            fix="Delete them, or set `cleanup.old` to `keep`; then run `pulumi up` again",
            safe="Production is not affected",
        )


def find_originals(instances: Instances, source: Instance) -> Iterator[Instance]:
    """Find the owner's replicas of a source, and their replicas, that a migration has tagged."""
    direct = _replicas_of(instances, [source])
    for replica in (*direct, *_replicas_of(instances, direct)):
        if (
            belongs(replica.tags, Role.ORIGINAL_REPLICA)
            and replica.tags.get(Tag.MIGRATION) == source.resource_id
        ):
            yield replica


def _replicas_of(instances: Instances, owners: Sequence[Instance], *, moving: bool = False) -> list[Instance]:
    """Return the replicas of these instances; those in other regions are listed as ARNs, and cannot come along.

    With ``moving``, wait for those that an interrupted rename hides: a step that is not declared would be undone.
    """
    names, replicas = _listed(instances, owners)
    if moving and names > replicas.keys():
        ids = [owner.resource_id for owner in owners]
        with suppress(TimedOut):
            _, replicas = until(
                Wait("the replicas that RDS renames to be listed again", deadline=_RENAME_GAP),
                lambda: _listed(instances, list(instances.find_several(ids).values())),
                done=lambda listing: listing[0] <= listing[1].keys(),
            )
    return list(replicas.values())


def _listed(instances: Instances, owners: Iterable[Instance]) -> tuple[set[str], dict[str, Instance]]:
    """Return the names of the replicas of these instances, and those that exist."""
    names = {name for owner in owners for name in owner.replicas_here}
    return names, instances.named(names) if names else {}
