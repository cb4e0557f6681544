"""Strategy `dns`: no name moves, and a Route 53 record, or a command of yours, moves the applications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rds_encrypt.access import endpoint_of
from rds_encrypt.aws import dns_records
from rds_encrypt.aws.instance import Instance
from rds_encrypt.check import Check, Finding, Scope, Severity, failed, passed
from rds_encrypt.cutover import hooks
from rds_encrypt.cutover.context import CutoverCheck, CutoverContext
from rds_encrypt.cutover.strategies.in_place import InPlace
from rds_encrypt.mysql.session import Session
from rds_encrypt.settings import DnsSettings

__all__ = ["RECORD", "Dns"]


@dataclass(frozen=True)
class Dns(InPlace):
    """Change the record; or run the command, which finds the instances in its environment."""

    name: ClassVar[str] = "dns"

    dns: DnsSettings | None = None
    command: tuple[str, ...] = ()

    def checks(self) -> tuple[CutoverCheck, ...]:
        """The record's, if there is one."""
        return (RECORD,) if self.dns is not None else ()

    def how(self, candidate: str) -> str:
        """The record, or the command."""
        if self.dns is not None:
            return f"point {self.dns.record} at {candidate}"
        return f"run `{self.command[0]}`, which moves the applications"

    def redirect(self, context: CutoverContext, candidate: Instance) -> None:
        """Change the record, or run the command."""
        if self.dns is None:
            hooks.run(context, "move")
            return
        context.progress(f"pointing {self.dns.record} at {candidate.identifier}")
        dns_records.point(context.aws, self.dns, endpoint_of(candidate).host)


def _record(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """The record that applications use points at the instance that is to lose them."""
    strategy = context.strategy
    if not isinstance(strategy, Dns) or strategy.dns is None:
        return passed("no record to change")
    target = dns_records.target(context.aws, strategy.dns)
    right = target == context.primary().address
    return (passed if right else failed)(f"{strategy.dns.record} points at {target}")


RECORD: CutoverCheck = Check("dns-record", Scope.CUTOVER, Severity.BLOCKING, _record)
