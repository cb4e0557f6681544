"""The AWS resources of a migration: replica, snapshots, encrypted instance, parameter groups; what the engine ignores of them, and why."""

from __future__ import annotations

import inspect
from typing import Final

import pulumi
import pulumi_aws as aws

from components.owner_settings import owner_settings, storage_settings
from components.source import Source
from rds_encrypt.aws.instance import Instance
from rds_encrypt.config_keys import key_of
from rds_encrypt.exec_mode import strict
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.replica_pairs import ReplicaPair, pair_tags

__all__ = ["AwsResources"]

# A large database takes hours where pulumi-aws would stop waiting after 20 to 80 minutes.
_INSTANCE_TIMEOUTS: Final = pulumi.CustomTimeouts(create="24h", update="24h", delete="6h")
# The AWS provider knows only `create` for snapshots and their copies, and the engine warns about any other.
_SNAPSHOT_TIMEOUTS: Final = pulumi.CustomTimeouts(create="24h")

# Inputs that the engine and the AWS provider must no longer compare. The provider has no wildcard, so every input is named.
_EVERYTHING: Final = [
    *(key_of(name) for name in inspect.signature(aws.rds.InstanceArgs).parameters),
    "tagsAll",
]
# Those that a cutover changes. An instance has them from its restore on, and a `refresh` after the cutover must not call that drift.
_CHANGED_BY_A_CUTOVER: Final = ["parameterGroupName", "tags", "tagsAll"]
# Inputs that the AWS provider refuses beside `replicateSourceDb`. On import, the engine fills ignored inputs from what it
# read, these too.
_NOT_OF_REPLICAS: Final = {
    "characterSetName",
    "dbName",
    "engine",
    "engineVersion",
    "restoreToPointInTime",
    "s3Import",
    "username",
}
_EVERYTHING_OF_REPLICAS: Final = [name for name in _EVERYTHING if name not in _NOT_OF_REPLICAS]
# A replica in the same region inherits these, and RDS refuses them in the call that creates it.
_NOT_OF_NEW_REPLICAS: Final = {
    "allocated_storage",
    "db_subnet_group_name",
    "engine_lifecycle_support",
    "license_model",
}
_EVERYTHING_OF_GROUPS: Final = ["name", "family", "description", "parameters", "tags", "tagsAll"]


class AwsResources:
    """Declares the resources of one source; none before the claim on it."""

    def __init__(self, source: Source, parent: pulumi.Resource, claim: pulumi.Resource) -> None:
        self._source = source
        self._parent = parent
        self._claim = claim

    def replica(self, after: list[pulumi.Resource]) -> aws.rds.Instance:
        source = self._source.require_instance()
        settings = owner_settings(source)
        return aws.rds.Instance(
            self._source.names.replica,
            identifier=self._source.names.replica,
            replicate_source_db=source.identifier,  # not the configured name, which may be production's
            instance_class=settings["instance_class"],
            vpc_security_group_ids=settings["vpc_security_group_ids"],
            port=settings["port"],
            # No new minor version in the middle of a migration.
            auto_minor_version_upgrade=False,
            apply_immediately=True,
            skip_final_snapshot=True,
            tags=settings["tags"] | tags_for(Role.REPLICA, source.resource_id),
            **storage_settings(source),
            opts=pulumi.ResourceOptions(
                parent=self._parent,
                depends_on=after,
                custom_timeouts=_INSTANCE_TIMEOUTS,
                import_=self._source.topology.replica.resource_id if self._source.topology.replica else None,
                # Temporary: it inherits settings from the source, and RDS rewrites the source's name after a rename.
                ignore_changes=_EVERYTHING_OF_REPLICAS,
            ),
        )

    def encrypted_replica(
        self, pair: ReplicaPair, primary: pulumi.Input[str], after: list[pulumi.Resource]
    ) -> aws.rds.Instance:
        """Declare the encrypted counterpart of one of the owner's replicas: its settings, a replica of the encrypted instance."""
        original, there = pair.original, pair.encrypted
        settings = owner_settings(original, there) if original is not None else {}
        for argument in _NOT_OF_NEW_REPLICAS & settings.keys():
            del settings[argument]
        if original is not None:
            settings["parameter_group_name"] = original.parameter_group
            settings["tags"] |= pair_tags(pair, self._source.source_id)
        elif there is not None:
            settings["instance_class"] = there.description["DBInstanceClass"]
        return aws.rds.Instance(
            pair.names.encrypted,
            identifier=there.identifier if there is not None else pair.names.encrypted,
            replicate_source_db=primary,
            apply_immediately=True,
            skip_final_snapshot=True,
            **settings,
            opts=pulumi.ResourceOptions(
                parent=self._parent,
                depends_on=after,
                # The provider would delete by the name in its state; ReplicaNames deletes by id, if at all.
                retain_on_delete=True,
                custom_timeouts=_INSTANCE_TIMEOUTS,
                import_=there.resource_id if there is not None else None,
                ignore_changes=_EVERYTHING_OF_REPLICAS,
            ),
        )

    def snapshot(
        self, instance: pulumi.Input[str], after: list[pulumi.Resource], at: pulumi.Output[str]
    ) -> aws.rds.Snapshot:
        """Declare a snapshot tagged with its coordinates: the step that reads them may run again, the snapshot may not."""
        return aws.rds.Snapshot(
            self._source.names.replica,
            db_instance_identifier=instance,
            db_snapshot_identifier=self._source.names.replica,
            tags={**tags_for(Role.REPLICA, self._source.topology.source_id), Tag.COORDINATES: at},
            opts=pulumi.ResourceOptions(
                parent=self._parent,
                depends_on=after,
                custom_timeouts=_SNAPSHOT_TIMEOUTS,
                import_=self._orphan(self._source.names.replica),
                ignore_changes=["dbInstanceIdentifier", "dbSnapshotIdentifier", "tags", "tagsAll"],
            ),
        )

    def copy(self, snapshot: aws.rds.Snapshot, after: list[pulumi.Resource]) -> aws.rds.SnapshotCopy:
        """Declare the encrypted copy of a snapshot."""
        return aws.rds.SnapshotCopy(
            self._source.names.encrypted,
            source_db_snapshot_identifier=snapshot.db_snapshot_arn,
            target_db_snapshot_identifier=self._source.names.encrypted,
            kms_key_id=self._source.existing.key.arn,
            tags={**tags_for(Role.ENCRYPTED, self._source.source_id), Tag.COORDINATES: _held(snapshot)},
            # An alias that moves to another key must not replace the copy in the middle of a migration.
            opts=pulumi.ResourceOptions(
                parent=self._parent,
                depends_on=after,
                custom_timeouts=_SNAPSHOT_TIMEOUTS,
                import_=self._orphan(self._source.names.encrypted),
                ignore_changes=["kmsKeyId", "sourceDbSnapshotIdentifier", "copyTags", "tags", "tagsAll"],
            ),
        )

    def encrypted(self, copy: aws.rds.SnapshotCopy, *, noted: bool = False) -> aws.rds.Instance:
        """Declare the instance that is restored from the encrypted copy; if ``noted``, it is tagged with the copy's coordinates."""
        source = self._source.require_instance()
        hold = self._group(self._source.names.encrypted, follows=True)
        settings = owner_settings(source, self._source.topology.encrypted)
        settings["tags"] |= tags_for(Role.ENCRYPTED, source.resource_id)
        settings["tags"] |= {Tag.COORDINATES: _held(copy)} if noted else {}
        return aws.rds.Instance(
            self._source.names.encrypted,
            identifier=self._source.names.encrypted,
            snapshot_identifier=copy.target_db_snapshot_identifier,
            # The provider does not compute it: without it, the next preview would replace the instance.
            storage_encrypted=True,
            parameter_group_name=hold.name,
            apply_immediately=True,
            skip_final_snapshot=True,
            **settings,
            opts=self._encrypted_options(),
        )

    def keep_encrypted(self, encrypted: Instance) -> None:
        """Keep declaring the instance that carries production, so that no preview proposes to delete it."""
        aws.rds.Instance(
            self._source.names.encrypted,
            identifier=encrypted.identifier,
            instance_class=encrypted.description["DBInstanceClass"],
            opts=self._encrypted_options(),
        )

    def _encrypted_options(self) -> pulumi.ResourceOptions:
        """Keep the provider, which goes by the name in state, from deleting it; DeletionGuard deletes by id, if at all.

        Until the cutover the instance follows the source's settings. From then on this stack must not change it, and an update would
        go to a name that has moved.
        """
        followed = ["identifier", "snapshotIdentifier", "kmsKeyId", "storageEncrypted"]
        if self._source.phase == "cutover":
            followed += _CHANGED_BY_A_CUTOVER
        topology = self._source.topology
        encrypted = topology.encrypted
        # One that DeletionGuard has not seen yet may be from a killed run: the engine adopts it as it is.
        orphan = encrypted is not None and topology.source is not None and topology.state.partner_id is None
        return pulumi.ResourceOptions(
            parent=self._parent,
            retain_on_delete=True,
            custom_timeouts=_INSTANCE_TIMEOUTS,
            import_=encrypted.resource_id if encrypted is not None else None,
            ignore_changes=followed if self._source.follows_source and not orphan else _EVERYTHING,
        )

    def _orphan(self, snapshot: str) -> str | None:
        """Return the snapshot's name if it exists and is ours: the engine adopts what is not in its state yet."""
        tags = self._source.existing.snapshots.get(snapshot)
        return (
            snapshot
            if tags is not None and tags.get(Tag.MIGRATION) == self._source.topology.source_id
            else None
        )

    def fence_group(self) -> None:
        """Declare the group that the old instance gets with its rename, and keeps while it follows the encrypted one."""
        self._group(self._source.names.fence, follows=True)

    def _group(self, name: str, *, follows: bool = False) -> aws.rds.ParameterGroup:
        """Declare a clone of the source's parameter group that keeps an instance read-only and its events off.

        Production and the old instance may use it, so DeletionGuard deletes it once no instance does.
        """
        origin = self._source.require_group()
        values = {**origin.values, "read_only": ("1", "immediate"), "event_scheduler": ("OFF", "immediate")}
        if follows:
            values |= strict(origin.exec_mode)
        description = f"{origin.name}, {self._source.names.group_purpose}"
        return aws.rds.ParameterGroup(
            name,
            name=name,
            family=origin.family,
            description=description,
            parameters=[
                {"name": parameter, "value": value, "apply_method": method}
                for parameter, (value, method) in sorted(values.items())
            ],
            opts=pulumi.ResourceOptions(
                parent=self._parent,
                depends_on=[self._claim],
                retain_on_delete=True,
                import_=name if self._source.existing.groups[name] == description else None,
                ignore_changes=[] if self._source.follows_source else _EVERYTHING_OF_GROUPS,
            ),
        )


def _held(snapshot: aws.rds.Snapshot | aws.rds.SnapshotCopy) -> pulumi.Output[str]:
    """Return the coordinates that a snapshot holds: those of its own tag, since a killed run may have left it."""
    return snapshot.tags.apply(lambda tags: (tags or {}).get(Tag.COORDINATES, ""))
