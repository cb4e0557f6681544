"""Describe calls to RDS, batched for all steps of this process, so that their number does not grow with the sources.

Steps of one process share settings, but each has its own clients. The first step of a batch sends it with its own clients, so no step
depends on older credentials, and expired ones of another step do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from rds_encrypt.aws.batching import RequestBatcher
from rds_encrypt.aws.clients import AwsSettings
from rds_encrypt.aws.errors import passes

if TYPE_CHECKING:
    from rds_encrypt.aws.instance import Instance
    from rds_encrypt.aws.snapshots import Snapshot

__all__ = ["WINDOW", "DescribeBatches", "in_pages", "shared_batches"]

WINDOW = 0.05
"""Seconds for which one of many polls, seconds apart, waits for those of other threads."""

_PAGE = 100
"""Names or ids in one request: the most that one answer holds. AWS does not document another limit.

Source: "DescribeDBInstances" in the Amazon RDS API Reference, parameter MaxRecords.
"""


def _batcher() -> RequestBatcher[Any]:
    return RequestBatcher(shared=passes)


@dataclass(frozen=True)
class DescribeBatches:
    """One batcher for each kind of request: instances by DbiResourceId, by name, all of them; snapshots by name."""

    by_id: RequestBatcher[Instance] = field(default_factory=_batcher)
    by_name: RequestBatcher[Instance] = field(default_factory=_batcher)
    all: RequestBatcher[list[Instance]] = field(default_factory=_batcher)
    snapshots: RequestBatcher[Snapshot] = field(default_factory=_batcher)


_shared: dict[AwsSettings, DescribeBatches] = {}
_making = Lock()


def shared_batches(settings: AwsSettings) -> DescribeBatches:
    """Return the batchers that all threads of this process with these settings share."""
    with _making:
        return _shared.setdefault(settings, DescribeBatches())


def in_pages(keys: Sequence[str]) -> Iterator[list[str]]:
    """Yield the keys in lists whose answers each fit into one page."""
    rest = iter(keys)
    while lot := list(islice(rest, _PAGE)):
        yield lot
