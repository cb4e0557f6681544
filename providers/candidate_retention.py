"""Candidate retention: makes RDS keep the encrypted instance's binlogs, because the old instance follows it from its promotion on.

RDS keeps `binlog retention hours` in a table that does not replicate, and purges the binlogs of a restored instance as soon as it can,
even during the two renames of a cutover. Source: "mysql.rds_set_configuration" in the Amazon RDS User Guide.
"""

from __future__ import annotations

from typing import Any

import pulumi

from providers.progress import warning_for
from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.mysql import retention
from rds_encrypt.temporary_resources import put_retention_back

__all__ = ["CandidateRetention", "CandidateRetentionProvider"]


class CandidateRetentionProvider(Step):
    """Inputs: ``encrypted_id``, ``source_id``, ``hours``. Outputs: ``hours_now``."""

    identity = ("encrypted_id", "source_id")

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Raise the retention; a longer one stays. A tag on the source notes the owner's value; the promotion copies it here."""
        hours = int(inputs["hours"])
        with context.session(inputs["encrypted_id"]) as session:
            present = retention.read(session) or 0
            if present < hours:
                retention.write(session, hours)
        return {"hours_now": max(present, hours)}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether it still keeps its binlogs that long; one that does not run counts as unchanged."""
        encrypted = context.usable(props["encrypted_id"])
        if encrypted is None:
            return dict(props)
        with context.access.session(encrypted) as session:
            return dict(props) if (retention.read(session) or 0) >= int(props["hours"]) else None

    def undo(self, context: StepContext, props: Inputs) -> None:
        """Restore the owner's value on an instance that carries production; DeletionGuard deletes any other next."""
        encrypted = context.instances.find(props["encrypted_id"])
        if encrypted is not None and journal.cutover_begun(encrypted.tags):
            put_retention_back(
                context.instances, context.access, props["source_id"], warning_for(props.get("urn"))
            )


class CandidateRetention(pulumi.dynamic.Resource, module="rds", name="CandidateRetention"):
    """How long the encrypted instance keeps its binlogs until the migration ends."""

    hours_now: pulumi.Output[int]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(CandidateRetentionProvider(), name, {"hours_now": None, **inputs}, opts)
