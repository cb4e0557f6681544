"""Replication user: the migration's own account; each attachment sets a new password, which is stored nowhere."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt.mysql import accounts
from rds_encrypt.temporary_resources import drop_replication_user

__all__ = ["ReplicationUser", "ReplicationUserProvider"]


class ReplicationUserProvider(Step):
    """Inputs: ``source_id``. Outputs: ``user``."""

    identity = ("source_id",)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Create the account if it is missing, with a password that is not kept."""
        with context.session(inputs["source_id"]) as session:
            if not accounts.exists(session):
                accounts.issue(session, accounts.REPLICATION_USER)
        return {"user": accounts.REPLICATION_USER}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the account exists; a source that does not run counts as unchanged."""
        source = context.usable(props["source_id"])
        if source is None:
            return dict(props)
        with context.access.session(source) as session:
            return dict(props) if accounts.exists(session) else None

    def undo(self, context: StepContext, props: Inputs) -> None:
        """Drop the account where possible: a fenced old instance keeps it until it is deleted."""
        kept = drop_replication_user(context.instances, context.access, props["source_id"])
        if kept:
            context.progress(f"{', '.join(kept)} is fenced and keeps the replication user")


class ReplicationUser(pulumi.dynamic.Resource, module="rds", name="ReplicationUser"):
    """The account that the encrypted instance replicates with."""

    user: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ReplicationUserProvider(), name, {"user": None, **inputs}, opts)
