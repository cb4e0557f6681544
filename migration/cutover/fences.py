"""Which fence an instance gets: the one that it has already, or the strongest that its parameter group allows."""

from __future__ import annotations

from collections.abc import Mapping

from controlplane.aws import Aws
from controlplane.instances import Instance, Instances
from controlplane.parameter_groups import ParameterGroups
from migration import journal
from migration.access import Access
from migration.cutover.account_fence import AccountFence
from migration.cutover.fence import Fence, ParameterGroupFence, group_cannot
from migration.cutover.site import Site

__all__ = ["fence_around", "fence_left", "fence_noted", "fence_of"]


def fence_of(site: Site) -> Fence:
    """Return the fence around the instance that is to lose the name."""
    losing = site.losing()
    group = site.strategy.fence_group(site)
    if _noted(losing.tags) is None and group_cannot(site.aws, group, losing, site.winning()) is not None:
        return AccountFence(site.instances, site.access, losing.resource_id)
    return fence_around(site.aws, site.access, losing, group)


def fence_noted(site: Site) -> Fence:
    """Return the fence that an attempt before this run may have closed: only one that it noted in a tag is ours to lift."""
    return fence_around(site.aws, site.access, site.losing(), site.strategy.fence_group(site))


def fence_left(site: Site, group: str) -> Fence:
    """Return the fence to be lifted after the point of no return, whether or not the instance that it was closed around still exists."""
    noted, losing = site.winning().tags, site.find_losing()
    kind = noted.get(journal.FENCE_NOTE) if losing is None else _noted(losing.tags)
    if kind == AccountFence.kind:
        return AccountFence(
            site.instances, site.access, site.course.losing_id, noted.get(journal.LOCKED_BEFORE)
        )
    return ParameterGroupFence(
        site.instances, site.groups, site.course.losing_id, group, noted.get(journal.FENCE_NOTE)
    )


def fence_around(aws: Aws, access: Access, instance: Instance, group: str) -> Fence:
    """Return the fence that an instance has by its tags; without any, the one that a parameter group carries."""
    if _noted(instance.tags) == AccountFence.kind:
        return AccountFence(Instances(aws), access, instance.resource_id)
    return ParameterGroupFence(Instances(aws), ParameterGroups(aws), instance.resource_id, group)


def _noted(tags: Mapping[str, str]) -> str | None:
    return tags.get(journal.FENCE_BEFORE)
