"""Claim: tags the source as this stack's, so that every later step finds it and no other stack takes it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import UpdateResult

from providers.arguments import StepArgs
from providers.progress import warning_for
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.cutover.fences import lift
from rds_encrypt.discovery import find_encrypted
from rds_encrypt.journal import KEYS, Role, Tag, tags_for
from rds_encrypt.orphans import take_away
from rds_encrypt.state import owner_group, state_of
from rds_encrypt.temporary_resources import untag_or_warn
from rds_encrypt.version import VERSION

__all__ = ["Claim", "ClaimArgs", "ClaimProvider"]


_SETTLES = 1.0
"""Seconds within which another stack that found no claim either writes its own."""


@dataclass(frozen=True, kw_only=True)
class ClaimArgs(StepArgs):
    """The arguments of `Claim`: the stack as ``project/stack``, and the mark of its backend."""

    owner: str
    backend: str


class ClaimProvider(Step[ClaimArgs]):
    """Claims the source. Outputs: ``parameter_group``, the source's when it was claimed."""

    identity = ("source_id",)
    ignored = (*Step.ignored, "backend")
    waits_for_names = True

    def perform(self, context: StepContext, args: ClaimArgs) -> Outputs:
        """Write the tags, unless another stack wrote its own before or at the same moment."""
        # Where the source is gone after its cutover, a new state has nothing to claim.
        if context.instances.find(args.source_id) is None and context.moved(args.source_id):
            return {"parameter_group": ""}
        source = context.instances.get(args.source_id)
        _require_ours(source, args)
        claimed = Tag.OWNER in source.tags
        group = owner_group(source)
        context.instances.tag(
            source,
            {
                **tags_for(Role.SOURCE, source.resource_id),
                Tag.OWNER: args.owner,
                Tag.BACKEND: args.backend,
                Tag.WRITTEN_BY: VERSION,
                Tag.FENCED_GROUP: group,
            },
        )
        if not claimed:
            # AWS has no conditional tag write: of two stacks that found no claim, the last to write goes on.
            time.sleep(_SETTLES)
            _require_ours(context.instances.get(source.resource_id), args)
        return {"parameter_group": group}

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write a stack's new name after `pulumi stack rename`."""
        olds, news = self.read_args(_olds), self.read_args(_news)
        context = self.context(news)
        source = context.instances.find(news.source_id)
        if source is not None and source.tags.get(Tag.OWNER) == olds.owner != news.owner:
            context.instances.tag(source, {Tag.OWNER: news.owner})
        return super().update(_id, _olds, _news)

    def seen(self, context: StepContext, args: ClaimArgs) -> Outputs | None:
        """Tell whether the claim still stands; it does for a deleted source, where nothing is left to claim."""
        source = context.instances.find(args.source_id)
        return None if source is not None and Tag.OWNER not in source.tags else {}

    def undo(self, context: StepContext, args: ClaimArgs) -> None:
        """Remove what a killed run left, then all tags from the source and from the instance that replaced it.

        Nothing of a migration that another stack has taken over.
        """
        source = context.instances.find(args.source_id)
        if source is not None and source.tags.get(Tag.OWNER, args.owner) != args.owner:
            return
        production = find_encrypted(context.instances, args.source_id, source)
        before_cut_over = not state_of(encrypted=production).cutover_begun
        if source is not None and before_cut_over:
            # The step that closed it may not be in the state, and without the tag nobody could tell what to restore.
            lift(context.aws, context.access, source, owner_group(source))
            if Tag.OWNER in source.tags:
                take_away(context.aws, context.access, source, context.progress)
        # Without a state the tags have no effect: one that AWS does not remove must not block `pulumi destroy`.
        warn = warning_for(args.urn)
        for instance in (production, source):
            untag_or_warn(context.instances, instance, list(KEYS), warn, needed=before_cut_over)


def _require_ours(source: Instance, args: ClaimArgs) -> None:
    """Refuse a source that another stack has claimed, or a stack of the same name in another backend.

    Raises:
        ActionRequired: it has; a claim without a backend, as older versions wrote it, counts as ours.
    """
    owner = source.tags.get(Tag.OWNER, args.owner)
    if owner != args.owner:
        raise ActionRequired(
            f"stack {owner} is already migrating this instance",
            where=source.identifier,
            fix=f"Continue there. If that stack no longer exists, remove the tag {Tag.OWNER}",
        )
    if source.tags.get(Tag.BACKEND, args.backend) != args.backend:
        raise ActionRequired(
            f"stack {owner} in another backend is already migrating this instance",
            where=source.identifier,
            fix=f"Log in to that backend and continue there. If its state no longer exists, remove the tag {Tag.BACKEND}",
        )


class Claim(StepResource, provider=ClaimProvider):
    """This stack's claim on a source."""

    parameter_group: pulumi.Output[str]
