"""The context of the checks: the source, the plan for it, and the account around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rds_encrypt.access import Access
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.check import Finding, Severity
from rds_encrypt.core.errors import Bug
from rds_encrypt.cutover.context import Strategy
from rds_encrypt.cutover.fence import group_cannot
from rds_encrypt.cutover.strategies import Rename
from rds_encrypt.discovery import Topology
from rds_encrypt.mysql.session import Session
from rds_encrypt.phases import Method, Phase
from rds_encrypt.quota_demand import QuotaDemand
from rds_encrypt.replica_pairs import ReplicaPair
from rds_encrypt.settings import Fate, ReplicaSettings
from rds_encrypt.state import owner_group

__all__ = ["AwsCheck", "CheckContext", "MySQLCheck", "Plan"]


@dataclass(frozen=True)
class Plan:
    """The plan for a source: phase, method, how applications move, the key's ARN, if it is known, the checks to accept, the owner's
    replicas that come along, the config's settings for replicas, and the fate of the old instance.
    """

    phase: Phase
    method: Method
    topology: Topology
    strategy: Strategy = field(default_factory=Rename)
    key: str = ""
    accept: Mapping[str, str] = field(default_factory=dict)
    replicas: tuple[ReplicaPair, ...] = ()
    replica_settings: ReplicaSettings = field(default_factory=ReplicaSettings)
    fate: Fate = "keep"


@dataclass(frozen=True)
class CheckContext:
    """A source, the plan for it, and the account around it.

    ``fleet`` is what all sources of the stack still need, in the order of the config, if that is known. ``access`` opens sessions on
    instances other than the source.
    """

    aws: Aws
    around: AccountInventory
    plan: Plan
    fleet: tuple[QuotaDemand, ...] = ()
    access: Access | None = None

    @property
    def topology(self) -> Topology:
        """The instances of the migration."""
        return self.plan.topology

    @property
    def ahead(self) -> bool:
        """Whether the source is there and no cutover or rollback has begun."""
        topology = self.topology
        begun = topology.state.cutover_begun
        return self.plan.phase in {"replicate", "cutover"} and topology.source is not None and not begun

    @property
    def source(self) -> Instance:
        """The source, which is there as long as the cutover is ahead."""
        if self.topology.source is None:
            raise Bug("a check asks for the source, which is gone", where=self.topology.names.source)
        return self.topology.source

    @property
    def name(self) -> str:
        """The source's identifier."""
        return self.source.identifier

    @property
    def fresh(self) -> bool:
        """Whether the encrypted instance does not exist yet."""
        return self.topology.encrypted is None

    @property
    def name_moves(self) -> bool:
        """Whether the encrypted instance will take over the source's name."""
        return not self.plan.strategy.keeps_name

    @property
    def may_lock_accounts(self) -> bool:
        """Whether locked accounts can be the fence, where the parameter group cannot carry it."""
        return self.plan.method == "online" and self.plan.strategy.may_lock_accounts

    @cached_property
    def quota_demands(self) -> tuple[QuotaDemand, ...]:
        """What the stack's sources still need, including this one."""
        if any(demand.identifier == self.name for demand in self.fleet):
            return self.fleet
        return (*self.fleet, QuotaDemand(self.name, self.source.allocated_gib, self.plan.method == "online"))

    @property
    def group(self) -> str:
        """The parameter group that the source had when the migration began."""
        return owner_group(self.source)

    @cached_property
    def accounts_because(self) -> str | None:
        """Why the fence will lock accounts; ``None`` if the parameter group carries it."""
        if not self.may_lock_accounts:
            return None  # then preflight blocks
        return group_cannot(self.aws, self.group, self.source, self.topology.encrypted)

    def blocking(self, what: str, *, fix: str, why: str = "", where: str = "", safe: str = "") -> Finding:
        """Return a finding that blocks the phase."""
        return Finding(Severity.BLOCKING, what, where or self.name, why, fix, safe)

    def warning(self, what: str, *, why: str, fix: str = "") -> Finding:
        """Return a finding that you should act on."""
        return Finding(Severity.WARNING, what, self.name, why, fix)

    def note(self, what: str, *, why: str = "", fix: str = "") -> Finding:
        """Return a finding that is good to know."""
        return Finding(Severity.NOTE, what, self.name, why, fix)


AwsCheck = Callable[[CheckContext], Iterable[Finding]]
MySQLCheck = Callable[[CheckContext, Session], Iterable[Finding]]
