"""What the temporary resources cost for each hour, at the prices that the config gives: AWS's depend on region and contract."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Kept", "Prices"]

_HOURS = 730
"""In a month, as AWS counts them on its pricing pages."""


@dataclass(frozen=True)
class Kept:
    """What there is for a while.

    Attributes:
        instances: of the source's class, a standby counted as one more.
        volumes: GiB of their storage.
        snapshots: GiB of snapshots, at most.
    """

    instances: int
    volumes: int
    snapshots: int


@dataclass(frozen=True)
class Prices:
    """What AWS bills: an hour of an instance of the source's class; a month of a GiB of storage, of a GiB of a snapshot."""

    instance_hour: float
    storage_month: float
    snapshot_month: float
    currency: str = "USD"

    def hourly(self, kept: Kept) -> str:
        """Return what all of it costs for an hour, in words."""
        monthly = kept.volumes * self.storage_month + kept.snapshots * self.snapshot_month
        whole = kept.instances * self.instance_hour + monthly / _HOURS
        return (
            f"about {whole:.2f} {self.currency} an hour, or {whole * 24:.2f} a day, at the config's prices, without"
            " provisioned IOPS and throughput, backups, and Extended Support"
        )
