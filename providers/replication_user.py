"""Replication user: the migration's own account; each attachment sets a new password, which is stored nowhere."""

from __future__ import annotations

import pulumi

from providers.arguments import StepArgs
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.mysql import accounts
from rds_encrypt.temporary_resources import drop_replication_user

__all__ = ["ReplicationUser", "ReplicationUserProvider"]


class ReplicationUserProvider(Step[StepArgs]):
    """Creates the account. Outputs: ``user``."""

    identity = ("source_id",)

    def perform(self, context: StepContext, args: StepArgs) -> Outputs:
        """Create the account if it is missing, with a password that is not kept."""
        # A source that has lost its name is fenced: it takes no new account, and nothing needs one.
        if context.moved(args.source_id):
            return {"user": accounts.REPLICATION_USER}
        with context.session(args.source_id) as session:
            if not accounts.exists(session):
                accounts.issue(session, accounts.REPLICATION_USER)
        return {"user": accounts.REPLICATION_USER}

    def seen(self, context: StepContext, args: StepArgs) -> Outputs | None:
        """Tell whether the account exists; a source that does not run counts as unchanged, and so does one that has lost its name."""
        source = context.usable(args.source_id)
        if source is None or context.moved(args.source_id):
            return {}
        with context.access.session(source) as session:
            return {} if accounts.exists(session) else None

    def undo(self, context: StepContext, args: StepArgs) -> None:
        """Drop the account where possible: a fenced old instance keeps it until it is deleted."""
        kept = drop_replication_user(context.instances, context.access, args.source_id)
        if kept:
            context.progress(f"{', '.join(kept)} is fenced and keeps the replication user")


class ReplicationUser(StepResource, provider=ReplicationUserProvider):
    """The account that the encrypted instance replicates with."""

    user: pulumi.Output[str]
