"""Candidate retention: makes RDS keep the encrypted instance's binlogs, because the old instance follows it from its promotion on.

RDS keeps `binlog retention hours` in a table that does not replicate, and purges the binlogs of a restored instance as soon as it can,
even during the two renames of a cutover. Source: "mysql.rds_set_configuration" in the Amazon RDS User Guide.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from providers.arguments import EncryptedArgs
from providers.progress import warning_for
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.mysql import retention
from rds_encrypt.state import state_of
from rds_encrypt.temporary_resources import put_retention_back

__all__ = ["CandidateRetention", "CandidateRetentionArgs", "CandidateRetentionProvider"]


@dataclass(frozen=True, kw_only=True)
class CandidateRetentionArgs(EncryptedArgs):
    """The arguments of `CandidateRetention`: the encrypted instance keeps its binlogs for at least ``hours``."""

    hours: int


class CandidateRetentionProvider(Step[CandidateRetentionArgs]):
    """Raises the encrypted instance's binlog retention. Outputs: ``hours_now``."""

    identity = ("encrypted_id", "source_id")

    def perform(self, context: StepContext, args: CandidateRetentionArgs) -> Outputs:
        """Raise the retention; a longer one stays. A tag on the source notes the owner's value; the promotion copies it here."""
        hours = args.hours
        with context.session(args.encrypted_id) as session:
            present = retention.read(session) or 0
            if present < hours:
                retention.write(session, hours)
        return {"hours_now": max(present, hours)}

    def seen(self, context: StepContext, args: CandidateRetentionArgs) -> Outputs | None:
        """Tell whether it still keeps its binlogs that long; one that does not run counts as unchanged."""
        encrypted = context.usable(args.encrypted_id)
        if encrypted is None:
            return {}
        with context.access.session(encrypted) as session:
            return {} if (retention.read(session) or 0) >= args.hours else None

    def undo(self, context: StepContext, args: CandidateRetentionArgs) -> None:
        """Restore the owner's value on an instance that carries production; DeletionGuard deletes any other next."""
        if state_of(encrypted=context.instances.find(args.encrypted_id)).cutover_begun:
            put_retention_back(context.instances, context.access, args.source_id, warning_for(args.urn))


class CandidateRetention(StepResource, provider=CandidateRetentionProvider):
    """How long the encrypted instance keeps its binlogs until the migration ends."""

    hours_now: pulumi.Output[int]
