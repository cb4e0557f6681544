"""Binlog retention: makes RDS keep the source's binlogs for as long as the migration may need them, then restores the setting."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from providers.arguments import StepArgs
from providers.progress import warning_for
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import channel, retention
from rds_encrypt.mysql.session import Session
from rds_encrypt.temporary_resources import put_retention_back

__all__ = ["BinlogRetention", "BinlogRetentionArgs", "BinlogRetentionProvider"]


@dataclass(frozen=True, kw_only=True)
class BinlogRetentionArgs(StepArgs):
    """The arguments of `BinlogRetention`: the source keeps its binlogs for at least ``hours``."""

    hours: int


class BinlogRetentionProvider(Step[BinlogRetentionArgs]):
    """Raises the source's binlog retention. Outputs: ``hours_before``; 0 is RDS's default, which purges at once."""

    identity = ("source_id",)

    def perform(self, context: StepContext, args: BinlogRetentionArgs) -> Outputs:
        """Note the former value, then raise the retention; a longer one stays."""
        source_id = args.source_id
        with context.session(source_id) as session:
            _require_no_source_of_its_own(session, source_id)
            present = retention.read(session) or 0
            source = context.instances.get(source_id)
            noted = source.tags.get(Tag.RETENTION_BEFORE, str(present))
            context.instances.tag(source, {Tag.RETENTION_BEFORE: noted})
            if present < args.hours:
                retention.write(session, args.hours)
        return {"hours_before": int(noted)}

    def seen(self, context: StepContext, args: BinlogRetentionArgs) -> Outputs | None:
        """Tell whether the source still keeps its binlogs that long; one that does not run counts as unchanged."""
        source = context.usable(args.source_id)
        if source is None:
            return {}
        with context.access.session(source) as session:
            return {} if (retention.read(session) or 0) >= args.hours else None

    def undo(self, context: StepContext, args: BinlogRetentionArgs) -> None:
        """Restore the former value."""
        put_retention_back(context.instances, context.access, args.source_id, warning_for(args.urn))


def _require_no_source_of_its_own(session: Session, source_id: str) -> None:
    status = channel.status(session)
    if status is not None and not status.ours:
        raise ActionRequired(
            f"the source replicates from {status.source_host}, which RDS does not manage",
            where=source_id,
            fix="End that replication first: the encrypted instance cannot take it over",
            safe="Nothing was changed",
        )


class BinlogRetention(StepResource, provider=BinlogRetentionProvider):
    """How long the source keeps its binlogs during the migration."""

    hours_before: pulumi.Output[int]
