"""Claim: marks the source as being migrated by this stack, so that every later step finds it, and no other stack takes it."""

from __future__ import annotations

import time
from typing import Any

import pulumi

from controlplane.instances import Instance
from foundation.errors import NeedsHuman
from migration import journal
from migration.journal import Role, tags_for
from migration.leftovers import successor_of, untag_or_warn
from migration.orphans import take_away
from providers.progress import warning_for
from providers.step import Inputs, Outputs, Step, World

__all__ = ["Claim", "ClaimProvider"]


_SETTLES = 1.0
"""Seconds in which another stack, that found no claim either, writes its own."""


class ClaimProvider(Step):
    """Inputs: ``source_id``, ``owner``, ``backend``. Outputs: ``parameter_group`` that the source had when it was claimed."""

    identity = ("source_id",)
    ignored = (*Step.ignored, "backend")
    at_rest = True

    def perform(self, world: World, inputs: Inputs) -> Outputs:
        """Write the tags, unless another stack did before, or does at the same moment."""
        source = world.instances.get(inputs["source_id"])
        _require_ours(source, inputs)
        claimed = journal.OWNER in source.tags
        group = source.tags.get(journal.FENCED_GROUP, source.parameter_group)
        world.instances.tag(
            source,
            {
                **tags_for(Role.SOURCE, source.resource_id),
                journal.OWNER: inputs["owner"],
                journal.BACKEND: inputs["backend"],
                journal.FENCED_GROUP: group,
            },
        )
        if not claimed:
            # AWS has no tag that only the first may write: of two who found none, the one who wrote last goes on.
            time.sleep(_SETTLES)
            _require_ours(world.instances.get(source.resource_id), inputs)
        return {"parameter_group": group}

    def seen(self, world: World, props: Inputs) -> Outputs | None:
        """Tell whether the claim still stands; a deleted old instance keeps it, since there is nothing to claim."""
        source = world.instances.find(props["source_id"])
        return None if source is not None and journal.OWNER not in source.tags else dict(props)

    def undo(self, world: World, props: Inputs) -> None:
        """Take away what a killed run left, then all tags off the source and off the instance that took its place."""
        source = world.instances.find(props["source_id"])
        production = successor_of(world.instances, props["source_id"], source)
        before_cut_over = production is None or not journal.swapped(production.tags)
        if source is not None and before_cut_over and source.tags.get(journal.OWNER) == props["owner"]:
            take_away(world.aws, world.access, source, world.progress)
        # Without a state the tags do nothing any more: what AWS will not take off must not keep the stack from going.
        warn = warning_for(props.get("urn"))
        for instance in (production, source):
            untag_or_warn(world.instances, instance, list(journal.KEYS), warn, needed=before_cut_over)


def _require_ours(source: Instance, inputs: Inputs) -> None:
    """Refuse a source that another stack has claimed, or one of the same name that keeps its state in another backend.

    Raises:
        NeedsHuman: it has; the backend of a claim that tells none, as older ones do, is taken for ours.
    """
    owner = source.tags.get(journal.OWNER, inputs["owner"])
    if owner != inputs["owner"]:
        raise NeedsHuman(
            f"stack {owner} is migrating this instance already",
            where=source.identifier,
            fix=f"Go on there, or, if that stack is gone for good, remove the tag {journal.OWNER}",
        )
    if source.tags.get(journal.BACKEND, inputs["backend"]) != inputs["backend"]:
        raise NeedsHuman(
            f"a stack of the same name, {owner}, is migrating this instance already, and keeps its state in another backend",
            where=source.identifier,
            fix=f"Log in to that backend and go on there, or, if its state is gone for good, remove the tag {journal.BACKEND}",
        )


class Claim(pulumi.dynamic.Resource, module="rds", name="Claim"):
    """The claim of this stack on a source."""

    parameter_group: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ClaimProvider(), name, {"parameter_group": None, **inputs}, opts)
