"""Estimates a rehearsal in words, before it spends: time as a range, and money at the config's prices."""

from __future__ import annotations

from collections.abc import Iterator

from rds_encrypt.aws.instance import Instance
from rds_encrypt.plan.costs import Kept, hourly
from rds_encrypt.plan.estimates import Estimates, Operation, Span, total
from rds_encrypt.rehearse.config import RehearsalConfig

__all__ = ["estimate"]

_ONCE: tuple[Operation, ...] = ("restore", "replica", "snapshot", "copy", "restore", "stop")
_INSTANCES = 3
"""The copy, its replica and its encrypted instance, all of the source's class."""


def estimate(config: RehearsalConfig, source: Instance, snapshot: str | None) -> Iterator[str]:
    """Return sentences about what will happen, how long it takes, and what AWS bills; ``snapshot`` is ``None`` for a small instance."""
    names = config.names
    gib = source.allocated_gib if snapshot is not None else 20
    made = f"restores {snapshot}" if snapshot is not None else "creates a small instance"
    yield (
        f"The rehearsal {made} as `{names.source}`, takes it through {', '.join(config.phases)}, and removes it. It only describes"
        f" `{config.source}`."
    )
    renames = 2 * (len(config.phases) - config.phases.count("replicate") - 1)
    yield f"Time: {total(_spans(gib, renames))}. rds-encrypt estimates this; the rehearsal measures it."
    standby = 2 if source.description.get("MultiAZ") and snapshot is not None else 1
    kept = Kept(instances=_INSTANCES * standby, volumes=_INSTANCES * standby * gib, snapshots=2 * gib)
    if config.prices is not None and snapshot is not None:
        yield f"Cost: {hourly(config.prices, kept)}."
    else:
        kind = source.description["DBInstanceClass"] if snapshot is not None else "db.t4g.micro"
        yield (
            f"Cost: AWS bills up to {kept.instances} instances of class {kind}, with {kept.volumes} GiB of storage and up to"
            f" {kept.snapshots} GiB of snapshots. Set `prices` in the config to see the sum."
        )


def _spans(gib: int, renames: int) -> list[Span]:
    estimates = Estimates(gib)
    deleted: list[Operation] = ["delete"] * _INSTANCES
    renamed: list[Operation] = ["rename"] * renames
    return [estimates.of(operation) for operation in (*_ONCE, *renamed, *deleted)]
