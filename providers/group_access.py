"""Group access: allows MySQL inside the security group that the source and the encrypted instance share."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt.aws import network
from rds_encrypt.journal import MIGRATION

__all__ = ["GroupAccess", "GroupAccessProvider"]


class GroupAccessProvider(Step):
    """Inputs: ``source_id``, ``groups``, ``port``. Outputs: ``group`` and ``rule``; empty if the step added nothing."""

    identity = ("source_id", "port")

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Add a rule to the first group unless one allows it already; adopt a rule that a killed run added."""
        groups, port = list(inputs["groups"]), int(inputs["port"])
        rules = network.rules_of(context.aws, groups)
        if ours := list(rules.tagged(MIGRATION, inputs["source_id"])):
            return dict(zip(("group", "rule"), ours[0], strict=True))
        if rules.allowed_inside(groups, port):
            return {"group": "", "rule": ""}
        rule = network.allow_inside(context.aws, groups[0], port, {MIGRATION: inputs["source_id"]})
        return {"group": groups[0], "rule": rule}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the members of the groups can still reach each other."""
        rules = network.rules_of(context.aws, props["groups"])
        return dict(props) if rules.allowed_inside(props["groups"], int(props["port"])) else None

    def undo(self, context: StepContext, props: Inputs) -> None:
        """Remove the rule only if we added it."""
        if props.get("rule"):
            network.revoke(context.aws, props["group"], props["rule"])


class GroupAccess(pulumi.dynamic.Resource, module="rds", name="GroupAccess"):
    """The rule that lets the encrypted instance reach the source."""

    rule: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(GroupAccessProvider(), name, {"group": None, "rule": None, **inputs}, opts)
