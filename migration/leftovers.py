"""Taking back what a migration changed in MySQL, on the source and on the instance that took its place."""

from __future__ import annotations

from collections.abc import Iterator

from controlplane.instances import Instance, Instances
from foundation.errors import WriteRefused
from migration import journal
from migration.access import Access
from replication import accounts, retention

__all__ = ["drop_replication_user", "put_retention_back"]


def put_retention_back(instances: Instances, access: Access, source_id: str) -> None:
    """Give `binlog retention hours` its former value; the encrypted instance got ours with the snapshot."""
    source = instances.find(source_id)
    if source is None or (noted := source.tags.get(journal.RETENTION_BEFORE)) is None:
        return
    for instance in _running(instances, source):
        with access.session(instance) as session:
            retention.write(session, int(noted) or None)
    instances.untag(source_id, [journal.RETENTION_BEFORE])


def drop_replication_user(instances: Instances, access: Access, source_id: str) -> list[str]:
    """Drop the replication user; return the instances that keep it because they are fenced."""
    kept: list[str] = []
    source = instances.find(source_id)
    for instance in _running(instances, source) if source is not None else ():
        with access.session(instance) as session:
            try:
                accounts.drop(session)
            except WriteRefused:
                kept.append(instance.identifier)
    return kept


def _running(instances: Instances, source: Instance) -> Iterator[Instance]:
    """Yield the source and its successor, as far as they run: the binlogs and accounts of a stopped one matter no more."""
    partner = source.tags.get(journal.PARTNER)
    successor = instances.find(partner) if partner else None
    yield from (instance for instance in (source, successor) if instance is not None and instance.available)
