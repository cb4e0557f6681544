"""Deletes resources that a killed run created and no state knows, found by name and tag, when the migration is cancelled."""

from __future__ import annotations

from rds_encrypt import group_rule
from rds_encrypt.access import Access
from rds_encrypt.aws import snapshots
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.waiting import Progress
from rds_encrypt.journal import KEYS, Role, Tag, belongs
from rds_encrypt.names import Names
from rds_encrypt.replica_pairs import delete_counterparts, find_originals
from rds_encrypt.state import state_of
from rds_encrypt.temporary_resources import drop_replication_user, put_retention_back

__all__ = ["take_away"]

_PATIENCE = 3 * 3600.0


def take_away(aws: Aws, access: Access, source: Instance, progress: Progress) -> None:
    """Delete what remains of a migration that has not reached its cutover.

    Everything in the state is gone by now, so what still has our tags comes from a run that was killed before it could save its
    state. An instance whose name has begun to move is production, and stays.
    """
    names = Names(source.identifier)
    instances = Instances(aws)
    present = instances.named([names.replica, names.encrypted])
    if any(state_of(encrypted=instance).cutover_begun for instance in present.values()):
        return
    for name, role in ((names.encrypted, Role.ENCRYPTED), (names.replica, Role.REPLICA)):
        instance = present.get(name)
        if instance is not None and belongs(instance.tags, role) and _ours(instance.tags, source):
            delete_counterparts(instances, instance, source.resource_id, progress)
            instances.delete(instance.resource_id, final_snapshot=None, deadline=_PATIENCE, progress=progress)
    for original in find_originals(instances, source):
        instances.untag(original, list(KEYS))
    for name, snapshot in snapshots.existing(aws, [names.encrypted, names.replica]).items():
        if _ours(snapshot.tags, source):
            snapshots.delete(aws, name)
    _take_away_groups(ParameterGroups(aws), names)
    if group := source.tags.get(Tag.GROUP_RULE):
        group_rule.release(aws, source.resource_id, group)
    drop_replication_user(instances, access, source.resource_id)
    put_retention_back(instances, access, source.resource_id)


def _ours(tags: dict[str, str], source: Instance) -> bool:
    return tags.get(Tag.MIGRATION) == source.resource_id


def _take_away_groups(groups: ParameterGroups, names: Names) -> None:
    groups.delete_unused(
        name
        for name in (names.encrypted, names.fence)
        if (groups.description(name) or "").endswith(names.group_purpose)
    )
