"""Retirement: keeps, stops or deletes the old instance, and removes the rest of the migration from the new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pulumi

from providers.arguments import PairArgs
from providers.cutover_protocol import close_reverse_replication
from providers.progress import warning_for
from providers.reports import after_cleanup
from providers.resource import StepResource
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.checks import of_old
from rds_encrypt.core.errors import ActionRequired, Cancelled, MigrationError
from rds_encrypt.core.waiting import Progress
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import writes
from rds_encrypt.names import Names
from rds_encrypt.replica_pairs import require_no_replicas
from rds_encrypt.settings import Fate
from rds_encrypt.state import ENDED, Position, find_position
from rds_encrypt.temporary_resources import drop_replication_user, put_retention_back

__all__ = ["Retirement", "RetirementArgs", "RetirementProvider", "require_unused"]


@dataclass(frozen=True, kw_only=True)
class RetirementArgs(PairArgs):
    """The arguments of `Retirement`.

    Attributes:
        fate: that of the old instance.
        accept: the checks that need not pass, and why.
    """

    fate: Fate
    accept: Mapping[str, str] = field(default_factory=dict)


class RetirementProvider(Step[RetirementArgs]):
    """Ends the migration. Outputs: ``old`` (its name), ``old_status``, ``keep_until`` (ISO date), ``snapshots_wanted``: automated
    snapshots that the new instance must have to replace the old one's backups.
    """

    identity = ("source_id", "encrypted_id")
    # It matters only while the step runs.
    ignored = (*Step.ignored, "accept")

    def perform(self, context: StepContext, args: RetirementArgs) -> Outputs:
        """Confirm which instance carries production, then remove what only the migration needed, in the order RDS allows."""
        names = args.names
        instances = context.instances.find_several([args.encrypted_id, args.source_id])
        old = instances.get(args.source_id)
        production = instances.get(args.encrypted_id) or context.instances.get(args.encrypted_id)
        _require_cut_over(context, production, old, names)
        warn = warning_for(args.urn)
        if old is not None and args.fate != "keep":
            require_no_replicas(context.instances, old, without=names.replica)
            require_unused(context, old, args.accept, warn)
        _end_rollback_path(context, production, warn)
        self._delete_replica(context, names, args.source_id)
        # Dropped on production first: replication carries that to the old instance, which is fenced.
        drop_replication_user(context.instances, context.access, args.source_id, warn)
        close_reverse_replication(context, args.source_id, args.encrypted_id, warn)
        put_retention_back(context.instances, context.access, args.source_id, warn)
        status = "deleted"
        if old is not None:
            status = self._settle(context, old, names, args.fate)
            if args.fate == "stop" and old.broken:
                warn(
                    f"{old.identifier} is {status}, so AWS cannot stop it: delete it when you no longer need it"
                )
        ParameterGroups(context.aws).delete_unused([names.encrypted, names.fence])
        outputs = {
            "old": old.identifier if old is not None else names.old,
            "old_status": status,
            "keep_until": of_old.keep_until(production).date().isoformat(),
            "snapshots_wanted": production.retention_days,
        }
        after_cleanup(context, args, outputs)
        return outputs

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> Any:
        """Run again: a new fate for the old instance is the only change that matters."""
        return pulumi.dynamic.UpdateResult({**_olds, **_news, **self.carry_out(_news)})

    def _settle(self, context: StepContext, old: Instance, names: Names, fate: str) -> str:
        """Keep, stop or delete the old instance as configured, and return its final status.

        One that is too broken for AWS to stop stays as it is: nothing else depends on it.
        """
        if old.status == "deleting":
            return "deleted"
        if fate == "delete":
            context.instances.delete(
                old.resource_id,
                final_snapshot=f"{names.old}-final",
                deadline=3 * HOUR,
                progress=context.progress,
            )
            return "deleted"
        if fate == "stop" and not old.broken:
            return context.instances.stop(
                old.resource_id, deadline=2 * HOUR, progress=context.progress
            ).status
        return old.status

    def _delete_replica(self, context: StepContext, names: Names, source_id: str) -> None:
        # RDS refuses to stop an instance that has a replica, and the engine deletes only after all creates.
        replica = context.instances.named([names.replica]).get(names.replica)
        if replica is not None and replica.tags.get(Tag.MIGRATION) == source_id:
            context.instances.delete(
                replica.resource_id, final_snapshot=None, deadline=3 * HOUR, progress=context.progress
            )


def require_unused(
    context: StepContext, old: Instance, accept: Mapping[str, str], warn: Progress, **words: str
) -> None:
    """Require that no application uses an instance before it is stopped or deleted; warn of what the config accepts.

    Args:
        context: that of the step.
        old: the instance.
        accept: the checks that need not pass, and why.
        warn: receives what the config accepts.
        words: see ``rds_encrypt.checks.of_old.require_unused``.

    Raises:
        ActionRequired: applications use it, or that cannot be checked.
    """
    if not old.serving:
        return
    session = partial(context.session, old.resource_id)
    if accepted := of_old.require_unused(old.identifier, session, accept, **words):
        warn(accepted)


def _require_cut_over(context: StepContext, production: Instance, old: Instance | None, names: Names) -> None:
    if (
        not production.encrypted
        or find_position(context.aws, names, production, old) is not Position.ENCRYPTED
    ):
        raise ActionRequired(
            "the cutover to it is not complete",
            where=production.identifier,
            fix="Run `pulumi up` in phase `cutover` first",
        )
    with context.access.session(production) as session:
        if writes.refused(session):
            raise ActionRequired(
                "production does not accept writes",
                where=production.identifier,
                fix="Find out why before the old instance goes: docs/runbook.md, *Writes are refused*",
            )


def _end_rollback_path(context: StepContext, production: Instance, warn: Progress) -> None:
    """Note that no phase before this one may follow."""
    try:
        context.instances.tag(production, {Tag.ROLLBACK_LOST: ENDED})
    except Cancelled:
        raise
    except MigrationError as error:
        warn(
            f"{production.identifier}: rds-encrypt cannot note that phase `cleanup` has begun ({error}): stay in it"
        )


class Retirement(StepResource, provider=RetirementProvider):
    """The end of the migration: the fate of the old instance."""

    old: pulumi.Output[str]
    old_status: pulumi.Output[str]
    keep_until: pulumi.Output[str]
    snapshots_wanted: pulumi.Output[int]
