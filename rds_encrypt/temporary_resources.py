"""Reverts what a migration changed in MySQL, on the source and on the instance that took its place.

The source may be deleted, stopped or unreachable by then; its part is skipped, with a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import Cancelled, MigrationError, WriteRefused
from rds_encrypt.discovery import find_encrypted
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import accounts, retention
from rds_encrypt.mysql.session import Session
from rds_encrypt.state import state_of

__all__ = ["drop_replication_user", "put_retention_back", "silent_warn", "untag_or_warn"]

Warn = Callable[[str], None]


def silent_warn(_sentence: str) -> None:
    """Drop a warning."""


def put_retention_back(
    instances: Instances, access: Access, source_id: str, warn: Warn = silent_warn
) -> None:
    """Restore the owner's `binlog retention hours` of the source on both instances."""
    source = instances.find(source_id)
    successor = find_encrypted(instances, source_id, source)
    noted = next(
        (
            instance.tags[Tag.RETENTION_BEFORE]
            for instance in (source, successor)
            if instance is not None and Tag.RETENTION_BEFORE in instance.tags
        ),
        None,
    )
    if noted is None:
        return

    def write(session: Session) -> None:
        retention.write(session, int(noted) or None)

    for instance in _running(instances, source, successor):
        _on(access, instance, write, source if _moved(successor) else None, warn)
    for tagged in (source, successor):
        untag_or_warn(instances, tagged, [Tag.RETENTION_BEFORE], warn, needed=not _moved(successor))


def drop_replication_user(
    instances: Instances, access: Access, source_id: str, warn: Warn = silent_warn
) -> list[str]:
    """Drop the replication user; return the instances that keep it because they are fenced."""
    kept: list[str] = []
    source = instances.find(source_id)
    successor = find_encrypted(instances, source_id, source)
    for instance in _running(instances, source, successor):
        try:
            _on(access, instance, accounts.drop, source if _moved(successor) else None, warn)
        except WriteRefused:
            kept.append(instance.identifier)
    return kept


def untag_or_warn(
    instances: Instances, which: Instance | None, keys: list[str], warn: Warn, *, needed: bool
) -> None:
    """Remove tags; unless they are ``needed``, a failure is only a warning."""
    if which is None:
        return
    try:
        instances.untag(which.resource_id, keys)
    except Cancelled:
        raise
    except MigrationError as error:
        if needed:
            raise
        warn(f"{which.identifier} keeps tags of the migration, which no longer have an effect: {error}")


def _on(
    access: Access, instance: Instance, act: Callable[[Session], None], spared: Instance | None, warn: Warn
) -> None:
    """Act on an instance; on the ``spared`` one, a failure is only a warning."""
    try:
        with access.session(instance) as session:
            act(session)
    except (Cancelled, WriteRefused):
        raise
    except MigrationError as error:
        if spared is None or instance.resource_id != spared.resource_id:
            raise
        warn(f"{instance.identifier} keeps what the migration changed: {error}")


def _moved(successor: Instance | None) -> bool:
    return state_of(encrypted=successor).cutover_begun


def _running(instances: Instances, source: Instance | None, successor: Instance | None) -> Iterator[Instance]:
    """Yield the instances that serve, production first: replication carries a change to the other one.

    Wait for production, since nothing comes back to it. The binlogs and accounts of a stopped instance no longer matter.
    """
    production, other = (successor, source) if _moved(successor) else (source, successor)
    if production is not None and (serving := instances.serving(production.resource_id)) is not None:
        yield serving
    if other is not None and other.serving:
        yield other
