"""Counts what the sources of a stack still have to create against the account's quotas, for all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rds_encrypt.discovery import Topology
from rds_encrypt.names import Names
from rds_encrypt.replica_pairs import ReplicaPair

__all__ = ["COUNTED", "Counterpart", "QuotaDemand", "quota_demand_of"]

COUNTED: Mapping[str, str] = {
    "DBInstances": "DB instances",
    "AllocatedStorage": "GiB of storage",
    "ManualSnapshots": "manual snapshots",
    "DBParameterGroups": "parameter groups",
}
"""RDS's quotas that a migration uses, by their names in DescribeAccountAttributes, in words."""


@dataclass(frozen=True)
class Counterpart:
    """The encrypted counterpart of one of the owner's replicas: its name, and the GiB of its storage."""

    name: str
    gib: int


@dataclass(frozen=True)
class QuotaDemand:
    """The resources that the migration of one source creates.

    Attributes:
        gib: the storage of the source, and of each of its copies.
        replica: whether it creates a replica.
        along: the encrypted counterparts of the owner's replicas.
    """

    identifier: str
    gib: int
    replica: bool
    along: tuple[Counterpart, ...] = ()

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """The names of everything it creates, by quota."""
        names = Names(self.identifier)
        own = (names.replica, names.encrypted) if self.replica else (names.encrypted,)
        instances = (*own, *(counterpart.name for counterpart in self.along))
        return {
            "DBInstances": instances,
            "AllocatedStorage": instances,
            "ManualSnapshots": (names.replica, names.encrypted),
            "DBParameterGroups": (names.encrypted, names.fence),
        }

    def of(self, quota: str, there: Iterable[str] = ()) -> int:
        """Return how much of a quota is still needed, if the resources with these names exist."""
        missing = set(self.names[quota]) - set(there)
        if quota != "AllocatedStorage":
            return len(missing)
        along = {counterpart.name: counterpart.gib for counterpart in self.along}
        return sum(along.get(name, self.gib) for name in missing)


def quota_demand_of(
    topology: Topology, phase: str, method: str, replicas: Sequence[ReplicaPair] = ()
) -> QuotaDemand | None:
    """Return what a source needs in this phase, or ``None`` if all exists, or the phase needs none."""
    source, there = topology.source, topology.encrypted is not None
    if source is None or phase not in {"replicate", "cutover"} or topology.state.cutover_begun:
        return None
    if there and all(pair.encrypted is not None for pair in replicas):
        return None
    along = tuple(
        Counterpart(pair.names.encrypted, pair.original.allocated_gib)
        for pair in replicas
        if pair.original is not None
    )
    return QuotaDemand(topology.names.source, source.allocated_gib, method == "online", along)
