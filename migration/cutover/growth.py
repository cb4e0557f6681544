"""Settings that may change on the losing instance seconds before the cutover, and need no second attempt.

Storage that grows is harmless as long as the winning instance has room for the same data; deletion protection concerns nobody who
writes. Both can be changed on a running instance without an outage, so production gets them once it is complete.
"""

from __future__ import annotations

from typing import Any

from controlplane import metrics
from controlplane.instances import Instance
from foundation.errors import Cancelled, MigrationError
from migration.cutover.site import Site
from migration.likeness import Difference

__all__ = ["harmless", "match_owner_changes"]

_PROTECTION, _STORAGE = "DeletionProtection", "AllocatedStorage"
_ROOM = 10
"""Percent of the winning instance's storage that must be free if it is to be the smaller one for a while."""


def harmless(site: Site, winning: Instance, difference: Difference) -> str | None:
    """Return why a difference may stay until the cutover is complete, as a clause, or ``None`` if it may not."""
    if difference.setting == _PROTECTION:
        return (
            f"{winning.identifier} gets the deletion protection of the other one after the {site.course.verb}"
        )
    if difference.setting != _STORAGE or (room := _room(site, winning)) is None:
        return None
    return (
        f"{winning.identifier} has {room}, and gets the storage of the other one after the {site.course.verb}"
    )


def match_owner_changes(site: Site) -> None:
    """Give production the size of storage and the deletion protection that the losing instance has, if that still exists."""
    losing, winning = site.find_losing(), site.winning()
    if losing is None:
        return
    changes: dict[str, Any] = {}
    if losing.allocated_gib > winning.allocated_gib:
        changes[_STORAGE] = losing.allocated_gib
    protected = bool(losing.description.get(_PROTECTION))
    if protected != bool(winning.description.get(_PROTECTION)):
        changes[_PROTECTION] = protected
    if not changes:
        return
    try:
        site.instances.modify(winning.resource_id, **changes)
    except Cancelled:
        raise
    except MigrationError as error:
        site.warn(
            f"{winning.identifier} does not have the {' and '.join(changes)} of {losing.identifier} ({error.what});"
            f" give it that with `aws rds modify-db-instance --db-instance-identifier {winning.identifier}`"
        )


def _room(site: Site, winning: Instance) -> str | None:
    if int(winning.description.get("MaxAllocatedStorage") or 0) > winning.allocated_gib:
        return "storage that grows by itself"
    free = metrics.free_storage(site.aws, winning.identifier)
    if free is None or 100 * free < _ROOM * winning.allocated_gib * 2**30:
        return None
    return f"{free / 2**30:.1f} GiB free"
