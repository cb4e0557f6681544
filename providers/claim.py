"""Claim: marks the source as being migrated by this stack, so that every later step finds it, and no other stack takes it."""

from __future__ import annotations

import time
from typing import Any

import pulumi

from providers.progress import warning_for
from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.aws.instances import Instance
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.journal import Role, tags_for
from rds_encrypt.orphans import take_away
from rds_encrypt.temporary_resources import successor_of, untag_or_warn

__all__ = ["Claim", "ClaimProvider"]


_SETTLES = 1.0
"""Seconds in which another stack, that found no claim either, writes its own."""


class ClaimProvider(Step):
    """Inputs: ``source_id``, ``owner``, ``backend``. Outputs: ``parameter_group`` that the source had when it was claimed."""

    identity = ("source_id",)
    ignored = (*Step.ignored, "backend")
    waits_for_names = True

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Write the tags, unless another stack did before, or does at the same moment."""
        source = context.instances.get(inputs["source_id"])
        _require_ours(source, inputs)
        claimed = journal.OWNER in source.tags
        group = source.tags.get(journal.FENCED_GROUP, source.parameter_group)
        context.instances.tag(
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
            _require_ours(context.instances.get(source.resource_id), inputs)
        return {"parameter_group": group}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the claim still stands; a deleted old instance keeps it, since there is nothing to claim."""
        source = context.instances.find(props["source_id"])
        return None if source is not None and journal.OWNER not in source.tags else dict(props)

    def undo(self, context: StepContext, props: Inputs) -> None:
        """Take away what a killed run left, then all tags off the source and off the instance that took its place."""
        source = context.instances.find(props["source_id"])
        production = successor_of(context.instances, props["source_id"], source)
        before_cut_over = production is None or not journal.cutover_begun(production.tags)
        if source is not None and before_cut_over and source.tags.get(journal.OWNER) == props["owner"]:
            take_away(context.aws, context.access, source, context.progress)
        # Without a state the tags do nothing any more: what AWS will not take off must not keep the stack from going.
        warn = warning_for(props.get("urn"))
        for instance in (production, source):
            untag_or_warn(context.instances, instance, list(journal.KEYS), warn, needed=before_cut_over)


def _require_ours(source: Instance, inputs: Inputs) -> None:
    """Refuse a source that another stack has claimed, or one of the same name that keeps its state in another backend.

    Raises:
        ActionRequired: it has; the backend of a claim that tells none, as older ones do, is taken for ours.
    """
    owner = source.tags.get(journal.OWNER, inputs["owner"])
    if owner != inputs["owner"]:
        raise ActionRequired(
            f"stack {owner} is migrating this instance already",
            where=source.identifier,
            fix=f"Go on there, or, if that stack is gone for good, remove the tag {journal.OWNER}",
        )
    if source.tags.get(journal.BACKEND, inputs["backend"]) != inputs["backend"]:
        raise ActionRequired(
            f"a stack of the same name, {owner}, is migrating this instance already, and keeps its state in another backend",
            where=source.identifier,
            fix=f"Log in to that backend and go on there, or, if its state is gone for good, remove the tag {journal.BACKEND}",
        )


class Claim(pulumi.dynamic.Resource, module="rds", name="Claim"):
    """The claim of this stack on a source."""

    parameter_group: pulumi.Output[str]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ClaimProvider(), name, {"parameter_group": None, **inputs}, opts)
