"""The context of a cutover: its two instances, access to them, its settings, and the protocol of a strategy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from rds_encrypt.access import Access
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.check import Check, Finding
from rds_encrypt.core.errors import AnotherHost, Cancelled, MigrationError, Retryable, TimedOut
from rds_encrypt.core.waiting import Progress, silent
from rds_encrypt.cutover.direction import Direction
from rds_encrypt.cutover.timeline import Timeline
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.session import Endpoint, Session
from rds_encrypt.names import Names
from rds_encrypt.settings import CutoverSettings, VerifySettings

__all__ = ["Aside", "CutoverCheck", "CutoverContext", "Deadlines", "Move", "Strategy"]

CutoverCheck = Check[Callable[["CutoverContext", Session, Session], Finding]]
"""A check that gets sessions on the primary and on the candidate."""


@dataclass(frozen=True)
class Deadlines:
    """How long AWS and MySQL may take, in seconds, where the settings have no limit.

    Attributes:
        rename: one rename by AWS, until the instance is available under its new name.
        former_primary: after the point of no return, how long to try to reach the instance that lost the name.
        follows: how long the primary may take to follow the candidate; a receiver retries every 60 s.
        gone: how long AWS must not list an instance before it counts as deleted.
    """

    rename: float = 1800.0
    former_primary: float = 300.0
    follows: float = 240.0
    gone: float = 15.0


@dataclass
class Aside:
    """The failures after the point of no return in what production does not need, in order.

    Attributes:
        warnings: what failed, as sentences.
        again: the first failure that another run may avoid.
    """

    warnings: list[str] = field(default_factory=list)
    again: Retryable | None = None


class Strategy(Protocol):
    """One way of moving applications: ``rds_encrypt.cutover.strategies`` has them all.

    Attributes:
        name: its name in the config.
        keeps_name: whether both instances keep their names; otherwise AWS renames them, which takes minutes.
        may_lock_accounts: whether locked accounts can be the fence. The candidate unlocks them when it opens, and that replicates, so
            the primary must run with its fence's parameter group by then.
    """

    name: ClassVar[str]
    keeps_name: ClassVar[bool]
    may_lock_accounts: ClassVar[bool]

    def checks(self) -> tuple[CutoverCheck, ...]:
        """Return the checks that only this strategy needs."""
        return ()

    def moves(self, direction: Direction, primary: str, candidate: str, group: str) -> list[Move]:
        """Return what ``move`` will do to two instances of these names, the owner's parameter ``group`` being given."""
        ...

    def fence_group(self, context: CutoverContext) -> str:
        """Return the parameter group that carries the fence around the primary."""
        ...

    def address_afterwards(self, context: CutoverContext) -> Endpoint:
        """Return where the candidate will answer once the move is complete."""
        ...

    def move(self, context: CutoverContext) -> None:
        """Move the applications and open the candidate; can be run again from any point."""
        ...


@dataclass(frozen=True)
class Move:
    """One move after the point of no return.

    Attributes:
        what: the move, as an imperative clause.
        renames: whether AWS renames an instance.
    """

    what: str
    renames: bool = False


@dataclass(frozen=True)
class CutoverContext:
    """One cutover's instances and tools.

    Attributes:
        source_group: the owner's parameter group; the instance that has the name uses it.
        strategy: how applications get from one instance to the other.
        accept: the checks that need not pass, and why.
        snapshot_coordinates: in method ``offline``, the coordinates of the fenced source at its snapshot; nothing
            replicates then, and they must not change.
        frozen_instances: both instances at one moment, instead of a look-up each time; only ``still`` sets it.
        aside: the failures in what production does not need.
    """

    aws: Aws
    access: Access
    names: Names
    direction: Direction
    source_group: str
    strategy: Strategy
    settings: CutoverSettings
    verify: VerifySettings
    accept: Mapping[str, str] = field(default_factory=dict)
    deadlines: Deadlines = Deadlines()
    snapshot_coordinates: Coordinates | None = None
    progress: Progress = silent
    timeline: Timeline = field(default_factory=Timeline)
    frozen_instances: Mapping[str, Instance] | None = None
    aside: Aside = field(default_factory=Aside)

    @property
    def instances(self) -> Instances:
        """The region's instances."""
        return Instances(self.aws)

    @property
    def groups(self) -> ParameterGroups:
        """The region's parameter groups."""
        return ParameterGroups(self.aws)

    def primary(self) -> Instance:
        """The instance that gives the name up, as it is now."""
        return self._look(self.direction.primary_id)

    def candidate(self) -> Instance:
        """The instance that takes the name over, as it is now."""
        return self._look(self.direction.candidate_id)

    def encrypted(self) -> Instance:
        """The encrypted instance, which carries the journal, as it is now."""
        return self._look(self.direction.encrypted_id)

    def both(self) -> tuple[Instance, ...]:
        """The primary and the candidate, as they are at one moment."""
        return self.instances.get_several(self.direction.primary_id, self.direction.candidate_id)

    def still(self) -> CutoverContext:
        """Return the context frozen at this moment, for checks, which change nothing."""
        return replace(self, frozen_instances={instance.resource_id: instance for instance in self.both()})

    def _look(self, resource_id: str) -> Instance:
        if self.frozen_instances is not None:
            return self.frozen_instances[resource_id]
        return self.instances.get(resource_id)

    def find_primary(self) -> Instance | None:
        """The instance that gives the name up, if it still exists."""
        return self.instances.find(self.direction.primary_id)

    # After the point of no return: a failure here is reported, and stops nothing else.

    @contextmanager
    def not_needed(self, what: str) -> Iterator[None]:
        """Do something that production does not need: a failure is kept for the end, and does not stop what follows."""
        try:
            yield
        except Cancelled:
            raise
        except MigrationError as error:
            self.warn(f"{what}: {error}")
            if isinstance(error, Retryable) and self.aside.again is None:
                self.aside.again = error

    def warn(self, sentence: str) -> None:
        """Keep a sentence for the end."""
        if sentence not in self.aside.warnings:
            self.aside.warnings.append(sentence)

    def note(self, which: Instance | None, tags: Mapping[str, str]) -> None:
        """Write tags on an instance that was just looked up, if AWS lets us."""
        if which is not None:
            with self.not_needed(f"{which.identifier} could not be tagged with {', '.join(tags)}"):
                self.instances.tag(which, tags)

    @property
    def primary_name(self) -> str:
        """The name that the primary ends with."""
        stays = self.strategy.keeps_name and self.direction.forward
        return self.names.source if stays else self.direction.primary_name

    @property
    def undone(self) -> str:
        """What a failure before the point of no return leaves behind, as a sentence."""
        if self.snapshot_coordinates is None:
            return "The fence is lifted and replication goes on"
        return f"`{self.names.source}` stays read-only, so that its copy stays valid; `pulumi destroy` makes it writable"

    def forget(self, which: Instance | None, keys: Iterable[str]) -> None:
        """Remove tags from an instance that was just looked up, if AWS lets us."""
        present = [key for key in keys if which is not None and key in which.tags]
        if which is not None and present:
            with self.not_needed(f"{which.identifier} keeps the tags {', '.join(present)}"):
                self.instances.untag(which, present)

    @contextmanager
    def session_on_candidate(self) -> Iterator[Session]:
        """Open a session on the candidate once its address leads there, and no longer to the former instance.

        Source: "Renaming a DB instance" in the Amazon RDS User Guide: the new name may take ten minutes to work; until then
        resolvers may still return the address of the former instance.

        Raises:
            TimedOut: another server answers for as long as a rename may take.
        """
        until_then = time.monotonic() + self.deadlines.rename
        while True:
            candidate = self.candidate()
            with ExitStack() as stack:
                try:
                    session = stack.enter_context(
                        self.access.session(candidate, patience=self.deadlines.rename)
                    )
                except AnotherHost:
                    answers = "a server with the certificate of another host"
                else:
                    who = str(session.value("SELECT @@server_uuid"))
                    if candidate.tags.get(Tag.SERVER, who) == who:
                        yield session
                        return
                    answers = f"server {who}"
            if time.monotonic() > until_then:
                raise TimedOut(
                    f"{answers} still answers at its address",
                    where=candidate.identifier,
                    fix="Check where the name resolves to from this machine, then run `pulumi up` again",
                )
            time.sleep(1.0)

    @contextmanager
    def sessions(self) -> Iterator[tuple[Session, Session]]:
        """Open a session on each: the primary first, the candidate second."""
        first, second = self.both()
        with self.access.session(first) as primary, self.access.session(second) as candidate:
            yield primary, candidate
