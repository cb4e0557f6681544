"""Finds the source and the encrypted instance of a migration, independent of their current names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import ActionRequired, Bug, PreconditionFailed, TimedOut
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.journal import Role, Tag, belongs
from rds_encrypt.names import Names
from rds_encrypt.state import MigrationState, Position, find_position, state_of

__all__ = ["Topology", "discover", "discover_among", "find_encrypted"]

_RENAME_GAP = 300.0


@dataclass(frozen=True)
class Topology:
    """The instances of one migration, by role.

    ``source`` is ``None`` only after the old instance was deleted. ``listed`` are all instances with one of the migration's names,
    by name, even if they do not belong to it. ``position`` is where the name is; without it, tags alone decide.
    """

    names: Names
    source: Instance | None
    encrypted: Instance | None
    replica: Instance | None = None
    listed: Mapping[str, Instance] = field(default_factory=dict)
    position: Position | None = None

    @property
    def state(self) -> MigrationState:
        """How far the migration is."""
        return state_of(source=self.source, encrypted=self.encrypted, position=self.position)

    @property
    def can_roll_back(self) -> bool:
        """Whether the source can take its name back, or has it back already: it follows, and was not retired."""
        if self.source is None:
            return False
        back = self.state.rolled_back or Tag.ROLLBACK_BEGAN in self.state.encrypted
        return back or (self.state.cutover_begun and Tag.OWNER in self.source.tags)

    @property
    def rollback_lost(self) -> str | None:
        """Why the old instance can no longer take the name back, if so; a rollback that has begun continues."""
        if self.state.position not in {Position.LEAVING, Position.ENCRYPTED}:
            return None
        if self.source is None or self.source.status == "deleting":
            return "the old instance was deleted"
        return self.state.rollback_lost

    @property
    def source_id(self) -> str:
        """The DbiResourceId of the source, even after its deletion."""
        if self.source is not None:
            return self.source.resource_id
        if self.encrypted is None:
            raise Bug("a topology found neither source nor encrypted instance", where=self.names.source)
        return self.encrypted.tags[Tag.MIGRATION]


def discover(aws: Aws, names: Names) -> Topology:
    """Find the instances of a migration by their tags, usually with one request.

    Raises:
        PreconditionFailed: there is no instance of that name, or it was encrypted outside a migration.
        ActionRequired: the encrypted instance is gone, and the source does not have its name.
    """
    return discover_among(aws, names, Instances(aws).named(names.all))


def discover_among(aws: Aws, names: Names, listed: Mapping[str, Instance]) -> Topology:
    """Find the instances of a migration among those listed by name, possibly for many migrations at once.

    Raises:
        PreconditionFailed: there is no instance of that name, or it was encrypted outside a migration.
        ActionRequired: the encrypted instance is gone, and the source does not have its name.
    """
    instances = Instances(aws)
    present = {name: listed[name] for name in names.all if name in listed}
    encrypted, replica = _with_role(present, Role.ENCRYPTED), _with_role(present, Role.REPLICA)
    source = _with_role(present, Role.SOURCE)
    if encrypted is None and source is None and replica is not None:
        source = instances.find(replica.tags[Tag.MIGRATION])  # both were renamed
    if encrypted is not None and source is None:
        moving = state_of(encrypted=encrypted).position.phase_under_way is not None
        find = _find_renamed if moving else Instances.find
        source = find(instances, encrypted.tags[Tag.MIGRATION])
    if source is not None and encrypted is None and (partner := state_of(source=source).partner_id):
        encrypted = (
            instances.find(partner)
            if source.identifier == names.source
            else _renamed_partner(instances, partner, source, names)
        )
    if source is None and encrypted is None:
        source = _untouched(aws, present, names)
    position = find_position(aws, names, encrypted, source) if encrypted is not None else None
    return Topology(names, source, encrypted, replica, present, position)


def find_encrypted(instances: Instances, source_id: str, source: Instance | None) -> Instance | None:
    """Return the encrypted instance of a migration, even if the source, whose tag names it, was deleted."""
    if source is not None:
        partner = state_of(source=source).partner_id
        return instances.find(partner) if partner else None
    return next(
        (
            instance
            for instance in instances.all()
            if instance.tags.get(Tag.MIGRATION) == source_id and belongs(instance.tags, Role.ENCRYPTED)
        ),
        None,
    )


def _find_renamed(instances: Instances, resource_id: str) -> Instance | None:
    """Find an instance by its identity: an interrupted rename may hide it for as long as a rename takes."""
    try:
        return until(
            Wait(f"the renamed instance {resource_id} to be listed again", deadline=_RENAME_GAP),
            lambda: instances.find(resource_id),
            done=lambda instance: instance is not None,
        )
    except TimedOut:
        return None


def _renamed_partner(instances: Instances, resource_id: str, source: Instance, names: Names) -> Instance:
    encrypted = _find_renamed(instances, resource_id)
    if encrypted is None:
        raise ActionRequired(
            f"the encrypted instance {resource_id} does not exist, and the unencrypted one is called {source.identifier}",
            where=names.source,
            fix=f"If it was deleted, {source.identifier} has the newest data: rename it back to {names.source} (docs/runbook.md,"
            " `The source is gone, or the encrypted one`), then run `pulumi destroy`",
        )
    return encrypted


def _with_role(present: Mapping[str, Instance], role: Role) -> Instance | None:
    return next((instance for instance in present.values() if belongs(instance.tags, role)), None)


def _untouched(aws: Aws, present: Mapping[str, Instance], names: Names) -> Instance:
    source = present.get(names.source)
    if source is None:
        raise PreconditionFailed(
            f"there is no DB instance of this name in {aws.region}",
            where=f"identifier {names.source!r}",
            fix="Correct `identifier`, or `aws:region`",
        )
    if source.description.get("StorageEncryptionType") == "sse-rds":
        raise PreconditionFailed(
            "its storage is already encrypted, with a key that AWS owns (`sse-rds`)",
            where=source.identifier,
            fix="Remove it from `sources`. To use a KMS key of your own, copy a snapshot of it with that key (`aws rds"
            " copy-db-snapshot --kms-key-id …`) and restore the copy: rds-encrypt does not change keys",
        )
    if source.encrypted:
        raise PreconditionFailed(
            f"its storage is already encrypted (with {source.description.get('KmsKeyId', 'a KMS key')})",
            where=source.identifier,
            fix="Remove it from `sources`: there is nothing to do",
        )
    return source
