"""Settings that may change on the primary seconds before the cutover without stopping it.

Storage that grows is harmless while the candidate has room for the same data; deletion protection does not affect writes. Both
can change on a running instance without an outage, so production gets them once the cutover is complete.
"""

from __future__ import annotations

from typing import Any

from rds_encrypt.aws import metrics
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import Cancelled, MigrationError
from rds_encrypt.core.words import gib
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.settings_diff import Difference

__all__ = ["harmless", "match_owner_changes"]

_PROTECTION, _STORAGE = "DeletionProtection", "AllocatedStorage"
_ROOM = 10
"""Percent of the candidate's storage that must be free if it is to be the smaller one for a while."""


def harmless(context: CutoverContext, candidate: Instance, difference: Difference) -> str | None:
    """Return why a difference may stay until the cutover is complete, as a clause, or ``None`` if it may not."""
    if difference.setting == _PROTECTION:
        return f"{candidate.identifier} gets the primary's deletion protection after the {context.direction.verb}"
    if difference.setting != _STORAGE or (room := _room(context, candidate)) is None:
        return None
    return f"{candidate.identifier} has {room}, and gets the primary's storage after the {context.direction.verb}"


def match_owner_changes(context: CutoverContext) -> None:
    """Give production the storage size and the deletion protection of the primary, if that still exists."""
    primary, candidate = context.find_primary(), context.candidate()
    if primary is None:
        return
    changes: dict[str, Any] = {}
    if primary.allocated_gib > candidate.allocated_gib:
        changes[_STORAGE] = primary.allocated_gib
    protected = bool(primary.description.get(_PROTECTION))
    if protected != bool(candidate.description.get(_PROTECTION)):
        changes[_PROTECTION] = protected
    if not changes:
        return
    try:
        context.instances.modify(candidate.resource_id, **changes)
    except Cancelled:
        raise
    except MigrationError as error:
        context.warn(
            f"{candidate.identifier} does not have the {' and '.join(changes)} of {primary.identifier} ({error.what});"
            f" set it with `aws rds modify-db-instance --db-instance-identifier {candidate.identifier}`"
        )


def _room(context: CutoverContext, candidate: Instance) -> str | None:
    if int(candidate.description.get("MaxAllocatedStorage") or 0) > candidate.allocated_gib:
        return "storage autoscaling"
    free = metrics.free_storage(context.aws, candidate.identifier)
    if free is None or 100 * free < _ROOM * candidate.allocated_gib * 2**30:
        return None
    return f"{gib(free)} free"
