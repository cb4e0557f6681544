"""DeletionGuard: owns the encrypted instance, known by its DbiResourceId; nothing else may delete it.

The instance is declared with ``retain_on_delete``, because the AWS provider deletes by the name in its state, and names move in
this program. The deletion guard checks first and keeps an instance that carries production, or is about to.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult

from providers.arguments import PairArgs
from providers.cutover_protocol import close_reverse_replication
from providers.progress import warning_for
from providers.resource import StepResource
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.completion import RESTORED, complete
from rds_encrypt.core.errors import ActionRequired, Cancelled, MigrationError, Retryable
from rds_encrypt.core.waiting import Progress
from rds_encrypt.cutover import due_events
from rds_encrypt.cutover.account_fence import AccountFence
from rds_encrypt.cutover.fences import lift
from rds_encrypt.journal import Tag
from rds_encrypt.replica_pairs import delete_counterparts
from rds_encrypt.settings_diff import differences
from rds_encrypt.state import Position, carries_production, find_position, owner_group, state_of

__all__ = ["DeletionGuard", "DeletionGuardProvider"]


class DeletionGuardProvider(Step[PairArgs]):
    """Owns the encrypted instance. Outputs: ``kms_key``, the key's ARN."""

    identity = ("encrypted_id",)
    waits_for_names = True

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse another instance in the place of one that carries production, as `--replace` would bring it about."""
        result = super().check(_olds, news)
        former = _olds.get("encrypted_id")
        if former is None or news["encrypted_id"] == former:
            return result
        args = self.read_args(_olds)
        context = self.context_of_checks(args)
        encrypted, source = context.instances.find(former), context.instances.find(args.source_id)
        if encrypted is None:
            return result
        position = find_position(context.aws, args.names, encrypted, source)
        if not carries_production(position, encrypted):
            return result
        sentence = (
            f"{encrypted.identifier}: it carries production, and Pulumi is about to put another instance in its place. Run the command"
            " without `--replace`; if the instance is tainted, `pulumi state untaint` it."
        )
        return CheckResult(result.inputs, [*result.failures, CheckFailure("", sentence)])

    def perform(self, context: StepContext, args: PairArgs) -> Outputs:
        """Confirm that the instance is encrypted and otherwise matches the source."""
        encrypted = context.instances.wait_until_available(
            args.encrypted_id, deadline=24 * HOUR, progress=context.progress
        )
        if not encrypted.encrypted:
            raise ActionRequired(
                "its storage is not encrypted",
                where=encrypted.identifier,
                fix="Run `pulumi destroy`, then start over",
            )
        if state_of(encrypted=encrypted).cutover_begun:
            # The state was lost after the cutover: the old instance no longer sets the standard, and may be stopped or gone.
            return {"kms_key": str(encrypted.description["KmsKeyId"])}
        # From here on, each of the two leads to the other, under any name.
        source = context.instances.get(args.source_id)
        context.instances.tag(source, {Tag.PARTNER: encrypted.resource_id})
        first_look = state_of(source=source).partner_id is None
        if first_look:
            encrypted = complete(context.instances, source, encrypted, context.progress)
        _require_settings_match(source, encrypted, warning_for(args.urn), first_look=first_look)
        return {"kms_key": str(encrypted.description["KmsKeyId"])}

    def seen(self, context: StepContext, args: PairArgs) -> Outputs | None:
        """Tell whether the instance is still there."""
        return {} if context.instances.find(args.encrypted_id) else None

    def undo(self, context: StepContext, args: PairArgs) -> None:
        """Lift the fence that an interrupted cutover left; delete the instance unless the names have begun to move.

        From then on it is production, and only the rollback path ends, which no step maintains any more. Parameter groups go once no
        instance uses them.
        """
        encrypted = context.instances.find(args.encrypted_id)
        source = context.instances.find(args.source_id)
        position = Position.SOURCE
        if encrypted is not None:
            position = find_position(context.aws, args.names, encrypted, source)
        is_production = encrypted is not None and carries_production(position, encrypted)
        production = encrypted if is_production else source
        if production is not None and position is not Position.RETURNING:
            # The note is about the group of that moment; its owner may have changed it behind the fence.
            group = production.parameter_group if is_production else owner_group(production)
            lift(context.aws, context.access, production, group)
        if encrypted is not None and is_production:
            warn = warning_for(args.urn)
            close_reverse_replication(context, args.source_id, args.encrypted_id, warn)
            _finish(context, encrypted, args.source_id, warn)
        if encrypted is not None and not is_production:
            delete_counterparts(context.instances, encrypted, args.source_id, context.progress)
            context.instances.delete(
                encrypted.resource_id, final_snapshot=None, deadline=3 * HOUR, progress=context.progress
            )
        names = args.names
        ParameterGroups(context.aws).delete_unused([names.encrypted, names.fence])


def _require_settings_match(
    source: Instance, encrypted: Instance, warn: Progress, *, first_look: bool
) -> None:
    """Refuse an instance whose settings differ from the source's.

    One that a killed run was creating lacks the settings that RDS accepts only after a restore; ``complete`` has set most of them.
    If others are missing, the next run compares it with the declaration and updates it.
    """
    # Storage that has grown meanwhile is harmless, and the next `pulumi up` declares it.
    unlike = [
        difference
        for difference in differences(source, encrypted)
        if difference.setting != "AllocatedStorage"
    ]
    mismatches = [difference for difference in unlike if difference.setting in RESTORED]
    if unknown := [str(difference) for difference in unlike if difference.setting not in RESTORED]:
        warn(
            f"{encrypted.identifier}: {'; '.join(unknown)}. rds-encrypt does not restore that, and the check `settings-match` keeps a"
            " cutover from beginning until both are equal, or you accept it"
        )
    if not mismatches:
        return
    kind = Retryable if first_look else ActionRequired
    raise kind(
        f"its settings differ from the source's: {'; '.join(map(str, mismatches))}",
        where=encrypted.identifier,
        fix="Run `pulumi up` again, which corrects them"
        if first_look
        else "Change either instance so that they match, then run `pulumi up` again",
    )


def _finish(context: StepContext, production: Instance, source_id: str, warn: Progress) -> None:
    """Unlock accounts and enable events if a run was killed right after it opened production; no other step does."""
    tags = production.tags
    locked, events = tags.get(Tag.FENCE_NOTE) == AccountFence.kind, tags.get(Tag.EVENTS)
    if not (locked or events) or not production.serving:
        return
    try:
        with context.access.session(production) as session:
            if locked:
                before = tags.get(Tag.LOCKED_BEFORE)
                AccountFence(context.instances, context.access, source_id, before).hand_over(session)
            due_events.settle_as_noted(session, events)
    except Cancelled:
        raise
    except MigrationError as error:
        warn(
            f"{production.identifier}: check that all accounts are unlocked and all events enabled that should be ({error})"
        )


class DeletionGuard(StepResource, provider=DeletionGuardProvider):
    """Responsibility for the encrypted instance until it carries production."""

    kms_key: pulumi.Output[str]
