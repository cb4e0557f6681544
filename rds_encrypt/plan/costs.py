"""Hourly cost of the temporary resources, at the config's prices: AWS's depend on region and contract."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Kept", "Prices"]

_HOURS = 730
"""Hours in a month, as AWS counts them on its pricing pages."""


@dataclass(frozen=True)
class Kept:
    """Temporary resources.

    Attributes:
        instances: number of instances of the source's class; a standby counts as one more.
        volumes: GiB of their storage.
        snapshots: GiB of snapshots, at most.
    """

    instances: int
    volumes: int
    snapshots: int


@dataclass(frozen=True)
class Prices:
    """AWS's prices: an instance of the source's class per hour; a GiB of storage, and of a snapshot, per month."""

    instance_hour: float
    storage_month: float
    snapshot_month: float
    currency: str = "USD"

    def hourly(self, kept: Kept) -> str:
        """Return the total cost per hour, in words."""
        monthly = kept.volumes * self.storage_month + kept.snapshots * self.snapshot_month
        whole = kept.instances * self.instance_hour + monthly / _HOURS
        return (
            f"about {whole:.2f} {self.currency} an hour, or {whole * 24:.2f} a day, at the config's prices, excluding"
            " provisioned IOPS and throughput, backups, and Extended Support"
        )
