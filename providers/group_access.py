"""Group access: allows MySQL inside the security group that the source and the encrypted instance share."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from providers.arguments import StepArgs, recorded
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt import group_rule
from rds_encrypt.aws import network

__all__ = ["GroupAccess", "GroupAccessArgs", "GroupAccessProvider"]


@dataclass(frozen=True, kw_only=True)
class GroupAccessArgs(StepArgs):
    """The arguments of `GroupAccess`.

    Attributes:
        port: MySQL's.
        group: which of ``groups`` has a rule of ours that the source needs; empty if none.
    """

    groups: tuple[str, ...]
    port: int
    group: str = recorded("")


class GroupAccessProvider(Step[GroupAccessArgs]):
    """Allows MySQL inside a group. Outputs: ``group``; empty if a rule of the owner's allows it."""

    identity = ("source_id", "port")

    def perform(self, context: StepContext, args: GroupAccessArgs) -> Outputs:
        """Add a rule to the first group unless one allows it already; share that of another migration."""
        return {"group": group_rule.allow(context.aws, args.source_id, args.groups, args.port)}

    def seen(self, context: StepContext, args: GroupAccessArgs) -> Outputs | None:
        """Tell whether the members of the groups can still reach each other."""
        rules = network.rules_of(context.aws, args.groups)
        return {} if rules.allowed_inside(args.groups, args.port) else None

    def undo(self, context: StepContext, args: GroupAccessArgs) -> None:
        """Remove the rule if it is ours, unless another source still needs it."""
        if args.group:
            group_rule.release(context.aws, args.source_id, args.group)


class GroupAccess(StepResource, provider=GroupAccessProvider):
    """The rule that lets the encrypted instance reach the source."""

    group: pulumi.Output[str]
