"""The copy that a rehearsal migrates: makes it from a snapshot with the settings of the source, and removes it and all that came from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rds_encrypt.aws import snapshots
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.parameter_groups import ParameterGroups, is_default
from rds_encrypt.core.errors import ActionRequired, PreconditionFailed
from rds_encrypt.core.waiting import Progress
from rds_encrypt.journal import Tag, owner_tags
from rds_encrypt.names import Names
from rds_encrypt.rehearse.firewall import find_group, make_group, remove_group

__all__ = ["TAG", "CopiedInstance", "newest_snapshot"]

TAG = "rehearsal-of"
"""On everything that a rehearsal makes: the source's name. It is not a tag of rds-encrypt's migrations, so that those carry it along."""
_HOUR = 3600.0
_RESTORED = 12 * _HOUR
"""The longest wait for the copy: its first backup comes before its first `available`, and takes hours."""
_DELETED = 3 * _HOUR

# Argument of RestoreDBInstanceFromDBSnapshot → key of DescribeDBInstances; copied as they are, where the source has them.
_RESTORED_WITH = {
    "DBInstanceClass": "DBInstanceClass",
    "MultiAZ": "MultiAZ",
    "PubliclyAccessible": "PubliclyAccessible",
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "CopyTagsToSnapshot": "CopyTagsToSnapshot",
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "EnableCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
    "StorageType": "StorageType",
    "NetworkType": "NetworkType",
    "BackupRetentionPeriod": "BackupRetentionPeriod",
    "CACertificateIdentifier": "CACertificateIdentifier",
    "EngineLifecycleSupport": "EngineLifecycleSupport",
}
_SMALL = {"DBInstanceClass": "db.t4g.micro", "StorageType": "gp3", "AllocatedStorage": 20, "MultiAZ": False}
"""The settings of `--small`, in place of the source's."""


def newest_snapshot(aws: Aws, source: str) -> str:
    """Return the newest automated snapshot of an instance.

    Raises:
        PreconditionFailed: it has none that is complete.
    """
    with sorted_errors(source):
        pages = aws.rds.get_paginator("describe_db_snapshots").paginate(
            DBInstanceIdentifier=source, SnapshotType="automated"
        )
        available = [
            snapshot
            for page in pages
            for snapshot in page["DBSnapshots"]
            if snapshot.get("Status") == "available"
        ]
    if not available:
        raise PreconditionFailed(
            "it has no automated snapshot",
            where=source,
            fix="Name a snapshot with --snapshot, or rehearse on a small instance with --small",
        )
    return max(available, key=lambda snapshot: snapshot["SnapshotCreateTime"])["DBSnapshotIdentifier"]


@dataclass(frozen=True)
class CopiedInstance:
    """The instance that stands for the source, and everything that its migration makes from it.

    Attributes:
        source: the identifier of the source, which need not exist any more when the copy is removed.
        names: the names that the migration of the copy uses.
    """

    aws: Aws
    source: str
    names: Names

    @property
    def _instances(self) -> Instances:
        return Instances(self.aws)

    def find(self) -> Instance | None:
        """Return the instance that has the copy's name now, if there is one."""
        return self._instances.named([self.names.source]).get(self.names.source)

    def require_unused_names(self) -> None:
        """Refuse to begin where something has a name that the rehearsal uses.

        Raises:
            PreconditionFailed: an instance, a snapshot, a parameter group or a security group has one.
        """
        taken = [*self._instances.named(self.names.all), *snapshots.existing(self.aws, self._snapshots)]
        if ParameterGroups(self.aws).description(self.names.source) is not None:
            taken.append(f"{self.names.source} (a parameter group)")
        if find_group(self.aws, self.names.source) is not None:
            taken.append(f"{self.names.source} (a security group)")
        if taken:
            raise PreconditionFailed(
                f"the rehearsal needs names that are taken: {', '.join(sorted(set(taken)))}",
                where=self.source,
                fix="If a former rehearsal left them, remove them with --remove; otherwise rename them",
            )

    def restore(self, source: Instance, snapshot: str, progress: Progress) -> Instance:
        """Restore the copy from a snapshot with the source's settings, unless it is there, and wait until it is available."""
        if self.find() is None:
            settings = {**self._shared(source), **_restored_with(source)}
            with sorted_errors(self.names.source):
                self.aws.rds.restore_db_instance_from_db_snapshot(DBSnapshotIdentifier=snapshot, **settings)
        return self._await(progress)

    def create_small(self, source: Instance, password: str, progress: Progress) -> Instance:
        """Create a small instance in the source's network, with its engine, parameters and master user, unless it is there."""
        if self.find() is None:
            described = source.description
            settings: dict[str, Any] = {**self._shared(source), **_SMALL}
            with sorted_errors(self.names.source):
                self.aws.rds.create_db_instance(
                    Engine="mysql",
                    EngineVersion=described["EngineVersion"],
                    MasterUsername=described["MasterUsername"],
                    MasterUserPassword=password,
                    BackupRetentionPeriod=max(1, source.retention_days),
                    PubliclyAccessible=described.get("PubliclyAccessible", False),
                    **settings,
                )
        return self._await(progress)

    def remove(self, progress: Progress) -> list[str]:
        """Delete the copy and everything that its migration made from it; return what was deleted.

        Raises:
            ActionRequired: something with such a name is not the rehearsal's, or AWS refused.
        """
        removed = []
        instances = self._instances.named(self.names.all)
        there = snapshots.existing(self.aws, self._snapshots)
        tags = {name: found.tags for name, found in instances.items()}
        tags |= {name: found.tags for name, found in there.items()}
        self._require_ours(tags, instances)
        # While the instances are there, which tell whose snapshots these are.
        for name in there:
            snapshots.delete(self.aws, name)
            removed.append(f"snapshot {name}")
        # The replica first: RDS promotes a replica whose source is deleted.
        for name in sorted(instances, key=lambda identifier: instances[identifier].replica_of is None):
            progress(f"deleting the instance {name}")
            self._instances.delete(
                instances[name].resource_id, final_snapshot=None, deadline=_DELETED, progress=progress
            )
            removed.append(f"instance {name}")
        groups = ParameterGroups(self.aws)
        ours = [name for name in self._groups if (groups.description(name) or "").endswith(self._purposes)]
        groups.delete_unused(ours)
        removed += [f"parameter group {name}" for name in ours if groups.description(name) is None]
        if remove_group(self.aws, self.names.source, {TAG: self.source}):
            removed.append(f"security group {self.names.source}")
        return removed

    def _require_ours(self, tags: Mapping[str, Mapping[str, str]], instances: Mapping[str, Instance]) -> None:
        """Require that everything has our tag, or is part of the migration of an instance that has it."""
        copies = {found.resource_id for found in instances.values() if found.tags.get(TAG) == self.source}
        for name, given in tags.items():
            if given.get(TAG) != self.source and given.get(Tag.MIGRATION) not in copies:
                raise ActionRequired(
                    f"it lacks the tag {TAG}={self.source}, so it may not be the rehearsal's",
                    where=name,
                    fix="If it is, add the tag; otherwise rename it. Then run the same command again",
                    safe="It was not touched",
                )

    @property
    def _snapshots(self) -> tuple[str, ...]:
        return self.names.replica, self.names.encrypted

    @property
    def _purposes(self) -> tuple[str, ...]:
        """How the descriptions of the parameter groups of a rehearsal, and of its migration, end."""
        return f"for a rehearsal of {self.source}", self.names.group_purpose

    @property
    def _groups(self) -> tuple[str, ...]:
        return self.names.source, self.names.encrypted, self.names.fence

    def _await(self, progress: Progress) -> Instance:
        instance = self.find()
        if instance is None:
            raise ActionRequired(
                "the copy is gone", where=self.names.source, fix="Run --remove, then begin another rehearsal"
            )
        self._require_ours({instance.identifier: instance.tags}, {})
        return self._instances.wait_until_available(
            instance.resource_id, deadline=_RESTORED, progress=progress
        )

    def _shared(self, source: Instance) -> dict[str, Any]:
        """Return the arguments that a restore and a creation share: name, network, groups and tags; make the groups."""
        described = source.description
        tags = {**owner_tags(source.tags), TAG: self.source}
        firewall = make_group(
            self.aws,
            self.names.source,
            described["DBSubnetGroup"]["VpcId"],
            [group["VpcSecurityGroupId"] for group in described["VpcSecurityGroups"]],
            {TAG: self.source},
        )
        return {
            "DBInstanceIdentifier": self.names.source,
            "Port": source.port,
            "DBSubnetGroupName": described["DBSubnetGroup"]["DBSubnetGroupName"],
            "VpcSecurityGroupIds": [firewall],
            "DBParameterGroupName": self._copy_group(source),
            "OptionGroupName": described["OptionGroupMemberships"][0]["OptionGroupName"],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }

    def _copy_group(self, source: Instance) -> str:
        """Return a parameter group with the source's values, so that nothing of the rehearsal changes the source's own group."""
        origin = source.parameter_group
        if is_default(origin):
            return origin
        groups = ParameterGroups(self.aws)
        if groups.description(self.names.source) is None:
            with sorted_errors(f"parameter group {self.names.source}"):
                self.aws.rds.create_db_parameter_group(
                    DBParameterGroupName=self.names.source,
                    DBParameterGroupFamily=groups.all()[origin].family,
                    Description=f"{origin}, for a rehearsal of {self.source}",
                    Tags=[{"Key": TAG, "Value": self.source}],
                )
        groups.set_as(self.names.source, groups.user_values(origin))
        return self.names.source


def _restored_with(source: Instance) -> dict[str, Any]:
    """Return the source's settings that a restore takes."""
    described = source.description
    settings = {
        argument: described[key]
        for argument, key in _RESTORED_WITH.items()
        if described.get(key) not in (None, "", [])
    }
    if described.get("StorageType") in {"io1", "io2"}:
        settings["Iops"] = described["Iops"]
    return settings
