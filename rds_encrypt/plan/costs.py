"""Hourly cost of the temporary resources, at the config's prices: AWS's depend on region and contract."""

from __future__ import annotations

from dataclasses import dataclass

from rds_encrypt.settings import PriceSettings

__all__ = ["Kept", "hourly"]

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


def hourly(prices: PriceSettings, kept: Kept) -> str:
    """Return the total cost per hour, in words."""
    monthly = kept.volumes * prices.storage_month + kept.snapshots * prices.snapshot_month
    whole = kept.instances * prices.instance_hour + monthly / _HOURS
    return (
        f"about {whole:.2f} {prices.currency} an hour, or {whole * 24:.2f} a day, at the config's prices, excluding"
        " provisioned IOPS and throughput, backups, and Extended Support"
    )
