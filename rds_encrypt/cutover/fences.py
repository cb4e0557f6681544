"""The fence of an instance: the one that it has already, or the strongest that its parameter group allows."""

from __future__ import annotations

from collections.abc import Mapping

from rds_encrypt.access import Access
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.cutover.account_fence import AccountFence
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.fence import Fence, ParameterGroupFence, group_cannot
from rds_encrypt.journal import Tag

__all__ = ["fence_around", "fence_left", "fence_noted", "fence_of", "lift"]


def fence_of(context: CutoverContext) -> Fence:
    """Return the fence around the primary."""
    primary = context.primary()
    group = context.strategy.fence_group(context)
    if (
        _noted(primary.tags) is None
        and group_cannot(context.aws, group, primary, context.candidate()) is not None
    ):
        return AccountFence(context.instances, context.access, primary.resource_id)
    return fence_around(context.aws, context.access, primary, group)


def fence_noted(context: CutoverContext) -> Fence:
    """Return the fence that an earlier attempt may have closed: we lift only one that a tag notes."""
    return fence_around(context.aws, context.access, context.primary(), context.strategy.fence_group(context))


def fence_left(context: CutoverContext, group: str) -> Fence:
    """Return the fence to lift after the point of no return, whether or not the primary and its tags still exist."""
    noted, primary = context.candidate().tags, context.find_primary()
    kind = (_noted(primary.tags) if primary is not None else None) or noted.get(Tag.FENCE_NOTE)
    if kind == AccountFence.kind:
        return AccountFence(
            context.instances, context.access, context.direction.primary_id, noted.get(Tag.LOCKED_BEFORE)
        )
    return ParameterGroupFence(
        context.instances, context.groups, context.direction.primary_id, group, noted.get(Tag.FENCE_NOTE)
    )


def fence_around(aws: Aws, access: Access, instance: Instance, group: str) -> Fence:
    """Return the fence that an instance's tags name; without a tag, the one that a parameter group carries."""
    if _noted(instance.tags) == AccountFence.kind:
        return AccountFence(Instances(aws), access, instance.resource_id)
    return ParameterGroupFence(Instances(aws), ParameterGroups(aws), instance.resource_id, group)


def lift(aws: Aws, access: Access, instance: Instance, group: str) -> None:
    """Lift the fence that an instance's tag notes, if there is one.

    AWS's API puts a parameter back even if MySQL is down, so a stopped instance accepts writes once it is started.
    """
    if _noted(instance.tags) is None:
        return
    instances, fence = Instances(aws), fence_around(aws, access, instance, group)
    fence.put_back()
    if not isinstance(fence, AccountFence) and instances.serving(instance.resource_id) is None:
        instances.untag(instance.resource_id, [Tag.FENCE_BEFORE])
        return
    with access.session(instance) as session:
        fence.reopen(session)


def _noted(tags: Mapping[str, str]) -> str | None:
    return tags.get(Tag.FENCE_BEFORE)
