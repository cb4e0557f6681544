"""Where a cut-over takes place: the two instances, the ways to reach them, and the limits it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controlplane.aws import Aws
from controlplane.instances import Instance, Instances
from controlplane.parameter_groups import ParameterGroups
from foundation.waiting import Progress, silent
from migration.access import Access
from migration.cutover.timeline import Timeline
from migration.names import Names
from replication.coordinates import Coordinates
from replication.session import Session

__all__ = ["Limits", "Site"]


@dataclass(frozen=True)
class Limits:
    """How long the moves may take, in seconds.

    Attributes:
        write_outage: everything from the fence until the names begin to move; exceeded, the cut-over is called off.
        rename: one rename, AWS's work, until the instance is available under its new name.
        long_transaction: a transaction open for longer than this on the source stops the cut-over before the fence.
    """

    write_outage: float = 60.0
    rename: float = 1800.0
    long_transaction: int = 30


@dataclass(frozen=True)
class Site:
    """One cut-over's instances and tools.

    Attributes:
        snapshot_coordinates: in mode ``snapshot``, where the fenced source stood when its snapshot was taken; nothing
            replicates then, and the source must still stand there.
    """

    aws: Aws
    access: Access
    names: Names
    source_id: str
    encrypted_id: str
    source_group: str
    limits: Limits = field(default_factory=Limits)
    snapshot_coordinates: Coordinates | None = None
    progress: Progress = silent
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def instances(self) -> Instances:
        """The region's instances."""
        return Instances(self.aws)

    @property
    def groups(self) -> ParameterGroups:
        """The region's parameter groups."""
        return ParameterGroups(self.aws)

    def source(self) -> Instance:
        """The source as it is now, called ``X`` or ``X-old``."""
        return self.instances.get(self.source_id)

    def encrypted(self) -> Instance:
        """The encrypted instance as it is now, called ``X-encrypted`` or ``X``."""
        return self.instances.get(self.encrypted_id)

    @contextmanager
    def sessions(self) -> Iterator[tuple[Session, Session]]:
        """Open a session on each: source first, encrypted instance second."""
        with self.access.session(self.source()) as source, self.access.session(self.encrypted()) as encrypted:
            yield source, encrypted
