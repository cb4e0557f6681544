"""Looks up what the program must know of the account before it can declare anything, for all sources together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from rds_encrypt.aws import keys, snapshots
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.keys import Key
from rds_encrypt.aws.parameter_groups import Description, ParameterGroups
from rds_encrypt.aws.snapshots import Snapshot
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.discovery import Topology, discover_among
from rds_encrypt.exec_mode import EXEC_MODES
from rds_encrypt.names import Names
from rds_encrypt.replica_pairs import ReplicaPair, find_pairs
from rds_encrypt.settings import SourceSettings
from rds_encrypt.state import owner_group

__all__ = ["Existing", "Group", "look_up"]

_THREADS = 8
"""As many as AWS allows an account without throttling; botocore keeps ten connections."""


@dataclass(frozen=True)
class Group:
    """The source's own parameter group: its family, and the values that a user set in it.

    Attributes:
        exec_mode: the family's name for the parameter of ``rds_encrypt.exec_mode``, if a user may set it.
    """

    name: str
    family: str
    values: Mapping[str, tuple[str, str]]
    exec_mode: str | None = None


@dataclass(frozen=True)
class Existing:
    """Everything that the declaration of one source's resources depends on.

    Attributes:
        topology: its instances.
        key: the KMS key, resolved.
        group: ``None`` if the source is gone.
        snapshots: the tags of the migration's existing snapshots, by name.
        groups: the descriptions of the migration's own parameter groups, ``None`` for one that does not exist.
        replicas: the owner's replicas that come along.
    """

    topology: Topology
    key: Key
    group: Group | None
    snapshots: Mapping[str, Mapping[str, str]]
    groups: Mapping[str, str | None]
    replicas: tuple[ReplicaPair, ...] = ()


def look_up(aws: Aws, sources: Sequence[SourceSettings]) -> list[Existing]:
    """Look up all sources; if several fail, raise the first one's error.

    One request lists what RDS can list for all sources; what several have in common is looked up once.

    Raises:
        PreconditionFailed: an identifier cannot be one, a source does not exist, is encrypted already, or its key cannot be used.
    """
    all_names, groups = [Names.of(source.identifier) for source in sources], ParameterGroups(aws)
    with ThreadPoolExecutor(_THREADS) as pool:
        listed = pool.submit(Instances(aws).named, [name for names in all_names for name in names.all])
        present = pool.submit(
            snapshots.existing,
            aws,
            [name for names in all_names for name in (names.replica, names.encrypted)],
        )
        described = pool.submit(groups.all)
        resolved = {
            key: pool.submit(keys.resolve, aws, key) for key in {source.kms_key for source in sources}
        }
        topologies = [pool.submit(discover_among, aws, names, listed.result()) for names in all_names]
        owned = {_group_of(topology.result()) for topology in topologies if topology.exception() is None}
        pairs = [
            pool.submit(_pairs, aws, source, topology)
            for source, topology in zip(sources, topologies, strict=True)
        ]
        values = {name: pool.submit(groups.user_values, name) for name in described.result() if name in owned}
        families = {described.result()[name].family: name for name in values}
        modes = {
            family: pool.submit(groups.modifiable, name, EXEC_MODES) for family, name in families.items()
        }
        return [
            Existing(
                topology=topology.result(),
                key=resolved[source.kms_key].result(),
                group=_group(topology.result(), described.result(), values, modes),
                snapshots=_tags(present.result(), names),
                groups=_purposes(described.result(), names),
                replicas=along.result(),
            )
            for source, names, topology, along in zip(sources, all_names, topologies, pairs, strict=True)
        ]


def _pairs(aws: Aws, source: SourceSettings, topology: Future[Topology]) -> tuple[ReplicaPair, ...]:
    return find_pairs(Instances(aws), topology.result(), source.method, source.replicas)


def _group_of(topology: Topology) -> str | None:
    return owner_group(topology.source) if topology.source is not None else None


def _group(
    topology: Topology,
    described: Mapping[str, Description],
    values: Mapping[str, Future[dict[str, tuple[str, str]]]],
    modes: Mapping[str, Future[list[str]]],
) -> Group | None:
    name = _group_of(topology)
    if name is None:
        return None
    if name not in described:
        raise PreconditionFailed(
            f"its parameter group {name}, which it had when the migration began, no longer exists",
            where=topology.names.source,
            fix="Create one with this name again: the encrypted instance will run with it",
        )
    family = described[name].family
    return Group(name, family, values[name].result(), next(iter(modes[family].result()), None))


def _tags(present: Mapping[str, Snapshot], names: Names) -> dict[str, dict[str, str]]:
    return {name: present[name].tags for name in (names.replica, names.encrypted) if name in present}


def _purposes(described: Mapping[str, Description], names: Names) -> dict[str, str | None]:
    return {
        name: described[name].purpose if name in described else None
        for name in (names.encrypted, names.fence)
    }
