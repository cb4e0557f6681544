"""The context of the checks: the source, the plan for it, and the account around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from rds_encrypt import journal
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.checks.finding import Finding, Severity
from rds_encrypt.checks.preflight import Plan
from rds_encrypt.cutover import fence
from rds_encrypt.needs import Need

__all__ = ["CheckContext", "Look"]


@dataclass(frozen=True)
class CheckContext:
    """A source before its cutover, the plan for it, and the account around it.

    ``fleet`` is what all sources of the stack still need, in the order of the config, if that is known.
    """

    aws: Aws
    around: AccountInventory
    plan: Plan
    source: Instance
    fleet: tuple[Need, ...] = ()

    @property
    def name(self) -> str:
        """The source's identifier."""
        return self.source.identifier

    @property
    def fresh(self) -> bool:
        """Whether the encrypted instance does not exist yet."""
        return self.plan.topology.encrypted is None

    @property
    def name_moves(self) -> bool:
        """Whether the encrypted instance will take over the source's name."""
        return self.plan.strategy == "rename"

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """The needs of the stack's sources, including this one."""
        if any(need.identifier == self.name for need in self.fleet):
            return self.fleet
        return (*self.fleet, Need(self.name, self.source.allocated_gib, self.plan.method == "online"))

    @property
    def group(self) -> str:
        """The parameter group that the source had when the migration began."""
        return self.source.tags.get(journal.FENCED_GROUP, self.source.parameter_group)

    @cached_property
    def accounts_because(self) -> str | None:
        """Why the fence will lock accounts; ``None`` if the parameter group carries it."""
        if (self.plan.method, self.plan.strategy) != ("online", "rename"):
            return None  # where accounts cannot be the fence, preflight blocks
        return fence.group_cannot(self.aws, self.group, self.source)

    def blocking(self, what: str, *, fix: str, why: str = "", where: str = "") -> Finding:
        """Return a finding that blocks the phase."""
        return Finding(Severity.BLOCKING, what, where or self.name, why, fix)

    def warning(self, what: str, *, why: str, fix: str = "") -> Finding:
        """Return a finding that you should act on."""
        return Finding(Severity.WARNING, what, self.name, why, fix)

    def note(self, what: str, *, why: str = "", fix: str = "") -> Finding:
        """Return a finding that is good to know."""
        return Finding(Severity.NOTE, what, self.name, why, fix)


Look = Callable[[CheckContext], Iterable[Finding]]
