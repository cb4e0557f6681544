"""Which fence an instance gets: the one that it has already, or the strongest that its parameter group allows."""

from __future__ import annotations

from collections.abc import Mapping

from controlplane.aws import Aws
from controlplane.instances import Instance, Instances
from controlplane.parameter_groups import ParameterGroups
from migration import journal
from migration.access import Access
from migration.cutover.account_fence import AccountFence
from migration.cutover.fence import Fence, ParameterGroupFence, why_not
from migration.cutover.site import Site

__all__ = ["fence_around", "fence_of", "group_cannot"]


def fence_of(site: Site) -> Fence:
    """Return the fence around the instance that is to lose the name."""
    losing = site.losing()
    if _noted(losing.tags) is None and group_cannot(site, losing) is not None:
        return AccountFence(site.instances, site.access, losing.resource_id)
    return fence_around(site.aws, site.access, losing, site.strategy.fence_group(site))


def fence_around(aws: Aws, access: Access, instance: Instance, group: str) -> Fence:
    """Return the fence that an instance has by its tags; without any, the one that a parameter group carries."""
    if _noted(instance.tags) == AccountFence.kind:
        return AccountFence(Instances(aws), access, instance.resource_id)
    return ParameterGroupFence(Instances(aws), ParameterGroups(aws), instance.resource_id, group)


def group_cannot(site: Site, losing: Instance) -> str | None:
    """Return why the parameter group cannot carry the fence, or ``None`` if it can."""
    replicas = [*losing.replicas, *site.winning().replicas]
    found = site.instances.named(replicas).values() if replicas else ()
    allowed = {site.course.losing_id, *(replica.resource_id for replica in found)}
    return why_not(site.groups, site.strategy.fence_group(site), allowed)


def _noted(tags: Mapping[str, str]) -> str | None:
    return tags.get(journal.FENCE_BEFORE)
