"""The fleet: what the sources of a stack share, that is copy slots and the quotas of the account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rds_encrypt.existing import Existing
from rds_encrypt.quota_demand import QuotaDemand, quota_demand_of
from rds_encrypt.settings import Settings

__all__ = ["Fleet", "fleet_of"]


@dataclass(frozen=True)
class Fleet:
    """Facts that concern all sources of a stack.

    Attributes:
        sources: how many there are.
        copies_at_once: how many snapshots of the region may be copied at the same time.
        quota_demands: the resources that they still have to create, in the order of the config.
    """

    sources: int
    copies_at_once: int
    quota_demands: tuple[QuotaDemand, ...]


def fleet_of(stack: Settings, existing: Sequence[Existing]) -> Fleet:
    """Return what the sources share; ``existing`` is in the order of the config."""
    demands = [
        quota_demand_of(resources.topology, stack.phase_of(source), source.method, resources.replicas)
        for source, resources in zip(stack.sources, existing, strict=True)
    ]
    return Fleet(
        len(stack.sources),
        stack.fleet.copies_at_once,
        tuple(demand for demand in demands if demand is not None),
    )
