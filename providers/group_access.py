"""Group access: allows MySQL inside the security group that the source and the encrypted instance share."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from providers.arguments import StepArgs, recorded
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.aws import network
from rds_encrypt.journal import Tag

__all__ = ["GroupAccess", "GroupAccessArgs", "GroupAccessProvider"]


@dataclass(frozen=True, kw_only=True)
class GroupAccessArgs(StepArgs):
    """The arguments of `GroupAccess`.

    Attributes:
        port: MySQL's.
        group: which of ``groups`` has our ``rule``; both are empty if the step added none.
    """

    groups: tuple[str, ...]
    port: int
    group: str = recorded("")
    rule: str = recorded("")


class GroupAccessProvider(Step[GroupAccessArgs]):
    """Allows MySQL inside a group. Outputs: ``group`` and ``rule``; empty if the step added nothing."""

    identity = ("source_id", "port")

    def perform(self, context: StepContext, args: GroupAccessArgs) -> Outputs:
        """Add a rule to the first group unless one allows it already; adopt a rule that a killed run added."""
        groups, port = list(args.groups), args.port
        rules = network.rules_of(context.aws, groups)
        if ours := list(rules.tagged(Tag.MIGRATION, args.source_id)):
            return dict(zip(("group", "rule"), ours[0], strict=True))
        if rules.allowed_inside(groups, port):
            return {"group": "", "rule": ""}
        rule = network.allow_inside(context.aws, groups[0], port, {Tag.MIGRATION: args.source_id})
        return {"group": groups[0], "rule": rule}

    def seen(self, context: StepContext, args: GroupAccessArgs) -> Outputs | None:
        """Tell whether the members of the groups can still reach each other."""
        rules = network.rules_of(context.aws, args.groups)
        return {} if rules.allowed_inside(args.groups, args.port) else None

    def undo(self, context: StepContext, args: GroupAccessArgs) -> None:
        """Remove the rule only if we added it."""
        if args.rule:
            network.revoke(context.aws, args.group, args.rule)


class GroupAccess(StepResource, provider=GroupAccessProvider):
    """The rule that lets the encrypted instance reach the source."""

    group: pulumi.Output[str]
    rule: pulumi.Output[str]
