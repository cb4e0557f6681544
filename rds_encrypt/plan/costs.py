"""The additional costs of a migration: what AWS bills, and its price per hour if the config has prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rds_encrypt import lifecycle
from rds_encrypt.aws.instance import Instance
from rds_encrypt.settings import PriceSettings

__all__ = ["Kept", "billed", "hourly", "size"]

_HOURS = 730
"""Hours in a month, as AWS counts them on its pricing pages."""


def size(source: Instance) -> str:
    """Return an instance's class and storage."""
    return f"{source.description['DBInstanceClass']}, {_storage(source)}"


def billed(
    source: Instance, prices: PriceSettings | None, *, replica: bool = True, along: Sequence[str] = ()
) -> str:
    """Return what AWS bills for the temporary resources."""
    kind, storage = source.description["DBInstanceClass"], _storage(source)
    standby = " with a standby" if source.description.get("MultiAZ") else ""
    gib = source.description["AllocatedStorage"]
    parts = [f"one {kind}{standby} with {storage} (the encrypted instance) and its backups"]
    if replica:
        parts.insert(0, f"one {kind} with {storage} (the replica)")
    if along:
        parts.append(f"an encrypted counterpart of each of {', '.join(along)}")
    listed = f"{', '.join(parts)}; two snapshots of up to {gib} GiB{_extended_support(source, 1 + replica + len(along))}"
    if prices is None:
        return listed
    instances = 1 + replica + bool(standby) + len(along)
    return f"{hourly(prices, Kept(instances, instances * int(gib), 2 * int(gib)))}: {listed}"


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
    """Return the total cost per hour, in words, at the config's prices: AWS's depend on region and contract."""
    monthly = kept.volumes * prices.storage_month + kept.snapshots * prices.snapshot_month
    whole = kept.instances * prices.instance_hour + monthly / _HOURS
    return (
        f"about {whole:.2f} {prices.currency} an hour, or {whole * 24:.2f} a day, at the config's prices, excluding"
        " provisioned IOPS and throughput, backups, and Extended Support"
    )


def _extended_support(source: Instance, instances: int) -> str:
    """Return AWS's charge for a version past its standard support, for each new instance."""
    ended = lifecycle.extended_support(source, lifecycle.today())
    if ended is None:
        return ""
    series, day = ended
    whose = "this instance" if instances == 1 else f"each of these {instances} instances"
    return f"; RDS Extended Support (by vCPU and hour; MySQL {series} left standard support on {day}) for {whose}"


def _storage(source: Instance) -> str:
    return f"{source.description['AllocatedStorage']} GiB {source.description.get('StorageType', 'storage')}"
