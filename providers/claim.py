"""Claim: marks the source as being migrated by this stack, so that every later step finds it, and no other stack takes it."""

from __future__ import annotations

from typing import Any

import pulumi

from foundation.errors import NeedsHuman
from migration import journal
from migration.journal import Role, tags_for
from migration.orphans import take_away
from providers.step import Inputs, Outputs, Step, World

__all__ = ["Claim", "ClaimProvider"]


class ClaimProvider(Step):
    """Inputs: ``source_id``, ``owner``. Outputs: ``parameter_group`` that the source had when it was claimed."""

    identity = ("source_id",)

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Write the tags, unless another stack did before."""
        source = world.instances.get(inputs["source_id"])
        owner = source.tags.get(journal.OWNER) or str(inputs["owner"])
        if owner != inputs["owner"]:
            raise NeedsHuman(
                f"stack {owner} is migrating this instance already",
                where=source.identifier,
                fix=f"Go on there, or, if that stack is gone for good, remove the tag {journal.OWNER}",
            )
        group = source.tags.get(journal.FENCED_GROUP, source.parameter_group)
        world.instances.tag(
            source,
            {
                **tags_for(Role.SOURCE, source.resource_id),
                journal.OWNER: owner,
                journal.FENCED_GROUP: group,
            },
        )
        return {"parameter_group": group}

    def seen(self, world: World, props: Inputs) -> Outputs | None:
        """Tell whether the claim still stands; a deleted old instance keeps it, since there is nothing to claim."""
        source = world.instances.find(props["source_id"])
        return None if source is not None and journal.OWNER not in source.tags else dict(props)

    def undo(self, world: World, props: Inputs) -> None:
        """Take away what a killed run left, then all tags off the source and off the instance that took its place."""
        source = world.instances.find(props["source_id"])
        partner = source.tags.get(journal.PARTNER) if source is not None else None
        production = world.instances.find(partner) if partner is not None else None
        before_cut_over = production is None or journal.SWAPPED not in production.tags
        if source is not None and before_cut_over and source.tags.get(journal.OWNER) == props["owner"]:
            take_away(world.aws, world.access, source, world.progress)
        for resource_id in filter(None, (partner, props["source_id"])):
            world.instances.untag(resource_id, journal.KEYS)


class Claim(pulumi.dynamic.Resource, module="rds", name="Claim"):
    """The claim of this stack on a source."""

    parameter_group: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ClaimProvider(), name, {"parameter_group": None, **inputs}, opts)
