"""Looks at what RDS has, put together for all steps that run in this process, so that they do not grow with the sources.

Steps of one process have the same settings, and clients of their own. Whoever goes first asks with its own, so the clients, and the
credentials in them, are never older than the step that uses them; that somebody else's have expired is nobody's concern.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from rds_encrypt.aws.clients import AwsSettings
from rds_encrypt.aws.errors import passes
from rds_encrypt.core.together import Together

if TYPE_CHECKING:
    from rds_encrypt.aws.instance import Instance
    from rds_encrypt.aws.snapshots import Snapshot

__all__ = ["LINGER", "Looks", "in_pages", "shared_looks"]

LINGER = 0.05
"""Seconds for which a look that is one of many, seconds apart, waits for others at the same moment."""

_PAGE = 100
"""Names or ids in one request: as many as its answer holds at most. AWS documents no other limit.

Source: "DescribeDBInstances" in the Amazon RDS API Reference, parameter MaxRecords.
"""


def _looks() -> Together[Any]:
    return Together(shared=passes)


@dataclass(frozen=True)
class Looks:
    """One kind of question each: instances by DbiResourceId, by name, all of them; snapshots by name."""

    by_id: Together[Instance] = field(default_factory=_looks)
    by_name: Together[Instance] = field(default_factory=_looks)
    all: Together[list[Instance]] = field(default_factory=_looks)
    snapshots: Together[Snapshot] = field(default_factory=_looks)


_shared: dict[AwsSettings, Looks] = {}
_making = Lock()


def shared_looks(settings: AwsSettings) -> Looks:
    """Return what the threads of this process share that ask with these settings."""
    with _making:
        return _shared.setdefault(settings, Looks())


def in_pages(keys: Sequence[str]) -> Iterator[list[str]]:
    """Yield the keys in lots whose answers fit into a page each."""
    rest = iter(keys)
    while lot := list(islice(rest, _PAGE)):
        yield lot
