"""Binlog retention: makes RDS keep the source's binlogs for as long as the migration may need them, then restores the setting."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.progress import warning_for
from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.mysql import channel, retention
from rds_encrypt.mysql.session import Session
from rds_encrypt.temporary_resources import put_retention_back

__all__ = ["BinlogRetention", "BinlogRetentionProvider"]


class BinlogRetentionProvider(Step):
    """Inputs: ``source_id``, ``hours``. Outputs: ``hours_before``; 0 is RDS's default, which purges at once."""

    identity = ("source_id",)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Note the former value, then raise the retention; a longer one stays."""
        source_id = inputs["source_id"]
        with context.session(source_id) as session:
            _require_no_source_of_its_own(session, source_id)
            present = retention.read(session) or 0
            source = context.instances.get(source_id)
            noted = source.tags.get(journal.RETENTION_BEFORE, str(present))
            context.instances.tag(source, {journal.RETENTION_BEFORE: noted})
            if present < inputs["hours"]:
                retention.write(session, int(inputs["hours"]))
        return {"hours_before": int(noted)}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the source still keeps its binlogs that long; one that does not run counts as unchanged."""
        source = context.usable(props["source_id"])
        if source is None:
            return dict(props)
        with context.access.session(source) as session:
            return dict(props) if (retention.read(session) or 0) >= int(props["hours"]) else None

    def undo(self, context: StepContext, props: Inputs) -> None:
        """Restore the former value."""
        put_retention_back(
            context.instances, context.access, props["source_id"], warning_for(props.get("urn"))
        )


def _require_no_source_of_its_own(session: Session, source_id: str) -> None:
    status = channel.status(session)
    if status is not None and not status.ours:
        raise ActionRequired(
            f"the source replicates from {status.source_host}, which RDS does not manage",
            where=source_id,
            fix="End that replication first: the encrypted instance cannot take it over",
            safe="Nothing was changed",
        )


class BinlogRetention(pulumi.dynamic.Resource, module="rds", name="BinlogRetention"):
    """How long the source keeps its binlogs during the migration."""

    hours_before: pulumi.Output[int]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(BinlogRetentionProvider(), name, {"hours_before": None, **inputs}, opts)
