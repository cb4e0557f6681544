"""Counts what the sources of a stack still have to create against the account's quotas, for all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rds_encrypt.discovery import Topology
from rds_encrypt.names import Names

__all__ = ["COUNTED", "Need", "need_of"]

COUNTED: Mapping[str, str] = {
    "DBInstances": "DB instances",
    "AllocatedStorage": "GiB of storage",
    "ManualSnapshots": "manual snapshots",
    "DBParameterGroups": "parameter groups",
}
"""RDS's quotas that a migration uses, by their names in DescribeAccountAttributes, in words."""


@dataclass(frozen=True)
class Need:
    """What the migration of one source creates.

    Attributes:
        gib: the storage of the source, and of each of its copies.
        replica: whether it creates a replica.
    """

    identifier: str
    gib: int
    replica: bool

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """The names of everything it creates, by quota."""
        names = Names(self.identifier)
        instances = (names.replica, names.encrypted) if self.replica else (names.encrypted,)
        return {
            "DBInstances": instances,
            "AllocatedStorage": instances,
            "ManualSnapshots": (names.replica, names.encrypted),
            "DBParameterGroups": (names.encrypted, names.fence),
        }

    def of(self, quota: str, there: Iterable[str] = ()) -> int:
        """Return how much of a quota is still needed, if the resources with these names exist."""
        missing = set(self.names[quota]) - set(there)
        return len(missing) * (self.gib if quota == "AllocatedStorage" else 1)


def need_of(topology: Topology, phase: str, method: str) -> Need | None:
    """Return what a source needs in this phase, or ``None`` if its encrypted instance exists, or the phase needs none."""
    source = topology.source
    if source is None or topology.encrypted is not None or phase not in {"replicate", "cutover"}:
        return None
    return Need(topology.names.source, source.allocated_gib, method == "online")
