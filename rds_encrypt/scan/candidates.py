"""Finds the unencrypted instances, and checks each as a preview of phase `replicate` would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.check import Finding, Severity, refusal
from rds_encrypt.checks import run
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Tag
from rds_encrypt.names import Names

__all__ = ["Candidate", "candidates"]


@dataclass(frozen=True)
class Candidate:
    """One unencrypted instance and its findings."""

    instance: Instance
    findings: tuple[Finding, ...]

    @property
    def identifier(self) -> str:
        """Its name."""
        return self.instance.identifier

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that block its migration."""
        return self.of(Severity.BLOCKING)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)


def candidates(aws: Aws, names: Iterable[str] = ()) -> list[Candidate]:
    """Check all unencrypted MySQL instances of the region that belong to no migration yet, or the named ones.

    Raises:
        PreconditionFailed: a named one is not among them.
    """
    requested = set(names)
    listed = {instance.identifier: instance for instance in Instances(aws).all()}
    unencrypted = [
        instance
        for instance in listed.values()
        if not instance.encrypted
        and instance.description.get("StorageEncryptionType") != "sse-rds"
        and instance.description["Engine"] == "mysql"
        and Tag.MIGRATION not in instance.tags
        and (not requested or instance.identifier in requested)
    ]
    if missing := requested - {instance.identifier for instance in unencrypted}:
        raise PreconditionFailed(
            f"no unencrypted MySQL instance outside a migration has this name in {aws.region}",
            where=", ".join(sorted(missing)),
            fix="Run `python -m rds_encrypt.scan` to list the unencrypted instances",
        )
    around = AccountInventory(aws)
    ordered = sorted(unencrypted, key=lambda instance: instance.identifier)
    return [Candidate(instance, tuple(_findings(around, instance, listed))) for instance in ordered]


def _findings(around: AccountInventory, instance: Instance, listed: Mapping[str, Instance]) -> list[Finding]:
    try:
        names = Names.of(instance.identifier)
    except PreconditionFailed as error:
        return [refusal(error)]
    plan = Plan("replicate", "online", Topology(names, instance, None, listed=listed))
    context = CheckContext(around.aws, around, plan)
    order = list(Severity)
    findings = [*run.obstacles(context), *run.findings(context, None, remarks=True)]
    return sorted(findings, key=lambda finding: order.index(finding.severity))
