"""Where a cut-over takes place: the two instances, the ways to reach them, and the limits it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controlplane.aws import Aws
from controlplane.instances import Instance, Instances
from controlplane.parameter_groups import ParameterGroups
from foundation.waiting import Progress, silent
from migration.access import Access
from migration.cutover.course import Course
from migration.cutover.hooks import Hooks
from migration.cutover.timeline import Timeline
from migration.names import Names
from replication.coordinates import Coordinates
from replication.session import Session

if TYPE_CHECKING:
    from migration.cutover.strategies import Strategy

__all__ = ["Limits", "Site"]


@dataclass(frozen=True)
class Limits:
    """How long the moves may take, in seconds.

    Attributes:
        write_outage: everything from the fence until the names begin to move; exceeded, the cut-over is called off.
        rename: one rename, AWS's work, until the instance is available under its new name.
        long_transaction: a transaction open for longer than this on the losing instance stops the cut-over before the fence.
        lag: seconds that the winning instance may be behind before the fence closes.
    """

    write_outage: float = 60.0
    rename: float = 1800.0
    long_transaction: int = 30
    lag: int = 10


@dataclass(frozen=True)
class Site:
    """One cut-over's instances and tools.

    Attributes:
        source_group: the parameter group of the instance's owner; whoever has the name runs with it.
        strategy: how applications get from one instance to the other.
        hooks: the user's commands.
        postponed: whether an operator has to release the cut-over once the guards are green.
        forced: names of guards that are not to stop the cut-over.
        snapshot_coordinates: in mode ``snapshot``, where the fenced source stood when its snapshot was taken; nothing
            replicates then, and the source must still stand there.
    """

    aws: Aws
    access: Access
    names: Names
    course: Course
    source_group: str
    strategy: Strategy
    hooks: Hooks = field(default_factory=Hooks)
    postponed: bool = False
    limits: Limits = field(default_factory=Limits)
    forced: frozenset[str] = frozenset()
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

    def losing(self) -> Instance:
        """The instance that gives the name up, as it is now."""
        return self.instances.get(self.course.losing_id)

    def winning(self) -> Instance:
        """The instance that takes the name over, as it is now."""
        return self.instances.get(self.course.winning_id)

    def encrypted(self) -> Instance:
        """The encrypted instance, which carries the journal, as it is now."""
        return self.instances.get(self.course.encrypted_id)

    @contextmanager
    def sessions(self) -> Iterator[tuple[Session, Session]]:
        """Open a session on each: the losing instance first, the winning one second."""
        with self.access.session(self.losing()) as losing, self.access.session(self.winning()) as winning:
            yield losing, winning
