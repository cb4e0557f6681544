"""`aws:rds/snapshot:Snapshot`, and what it shares with its copies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from pulumi_aws import rds

from dev.sandbox.plugin.errors import PartialFailure, ProviderError, aws_error, code_of
from dev.sandbox.plugin.resources.base import Attribute, Operation, Resource, tag_list
from dev.sandbox.plugin.values import Properties, is_empty
from dev.sandbox.plugin.waits import SNAPSHOT_AVAILABLE

__all__ = ["Snapshot", "SnapshotKind"]

_CREATE_MINUTES = 20


class SnapshotKind(Resource):
    """A manual snapshot, however it came about: its id is its identifier."""

    arn = "dbSnapshotArn"
    #: "Timeouts" in the Terraform provider's pages on aws_db_snapshot and aws_db_snapshot_copy.
    timeouts = frozenset({"create"})
    #: What the real provider calls it in errors.
    noun: ClassVar[str]

    @abstractmethod
    def start(self, rds_client: Any, inputs: Properties, tags: list[dict[str, str]]) -> Mapping[str, Any]:
        """Ask AWS for the snapshot."""

    @abstractmethod
    def own_readings(self, snapshot: Mapping[str, Any]) -> Properties:
        """Read what only this kind tells."""

    @abstractmethod
    def name_of(self, inputs: Properties) -> str:
        """Give the name that errors show."""

    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        """Start it, wait for it, share it."""
        rds_client = operation.rds(inputs)
        doing = f"creating {self.noun} ({self.name_of(inputs)})"
        try:
            made = self.start(rds_client, inputs, tag_list(operation.merged_tags(inputs.get("tags"))))
        except (ClientError, BotoCoreError) as error:
            raise aws_error(doing, error) from error
        identity = made["DBSnapshotIdentifier"]
        state = {**inputs, "dbSnapshotArn": made.get("DBSnapshotArn")}
        try:
            self._wait(operation, doing, rds_client, identity)
            if not is_empty(inputs.get("sharedAccounts")):
                self._share(rds_client, identity, inputs["sharedAccounts"], [])
            result = self.read(operation, identity, state)
        except ProviderError as error:
            raise PartialFailure(
                str(error), identity=identity, state=self.half_made(operation, state)
            ) from error
        if result is None:
            raise ProviderError(f"reading {self.noun} ({identity}): couldn't find resource")
        return result

    def read(self, operation: Operation, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Read the snapshot, whom it is shared with, and its tags."""
        rds_client = operation.rds(state)
        try:
            snapshot = _find(rds_client, identity)
            if snapshot is None:
                return None
            attributes = rds_client.describe_db_snapshot_attributes(DBSnapshotIdentifier=identity)
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"reading {self.noun} ({identity})", error) from error
        result = self.unread(state)
        for name, value in {**_readings(snapshot), **self.own_readings(snapshot)}.items():
            if name in self.schema.outputs:
                result[name] = self.schema.zero(name) if value is None else value
        result["sharedAccounts"] = _shared(attributes)
        self.keep_order(result, state)
        result["region"] = operation.region(state)
        result.update(self.read_tags(operation, result))
        return identity, {name: value for name, value in result.items() if value is not None}

    def update(
        self,
        operation: Operation,
        identity: str,
        state: Properties,
        inputs: Properties,
        ignored: Sequence[str],
    ) -> Properties:
        """Change whom it is shared with, and its tags."""
        changed = {change.name for change in self.diff(operation, state, inputs, ignored)}
        if "sharedAccounts" in changed:
            old, new = (set(side.get("sharedAccounts") or ()) for side in (state, inputs))
            self._share(operation.rds(state), identity, sorted(new - old), sorted(old - new))
        if "tagsAll" in changed:
            self.update_tags(operation, state, state.get("tags") if "tags" in ignored else inputs.get("tags"))
        result = self.read(operation, identity, self.plan(operation, inputs, state))
        if result is None:
            raise ProviderError(f"reading {self.noun} ({identity}): couldn't find resource")
        return result[1]

    def delete(self, operation: Operation, identity: str, state: Properties) -> None:
        """Delete it by its id."""
        try:
            operation.rds(state).delete_db_snapshot(DBSnapshotIdentifier=identity)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and code_of(error) in (
                "DBSnapshotNotFound",
                "DBSnapshotNotFoundFault",
            ):
                return
            raise aws_error(f"deleting {self.noun} ({identity})", error) from error

    def _share(self, rds_client: Any, identity: str, added: Sequence[str], removed: Sequence[str]) -> None:
        try:
            rds_client.modify_db_snapshot_attribute(
                DBSnapshotIdentifier=identity,
                AttributeName="restore",
                ValuesToAdd=list(added),
                ValuesToRemove=list(removed),
            )
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"modifying RDS DB Snapshot ({identity}) attribute", error) from error

    def _wait(self, operation: Operation, doing: str, rds_client: Any, identity: str) -> None:
        def look() -> str | None:
            snapshot = _find(rds_client, identity)
            return None if snapshot is None else str(snapshot["Status"])

        try:
            operation.waiter.until(SNAPSHOT_AVAILABLE, look, operation.timeout_or(_CREATE_MINUTES))
        except ProviderError as error:
            raise ProviderError(f"{doing}: waiting for completion: {error}") from error
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"{doing}: waiting for completion", error) from error


_ATTRIBUTES: Mapping[str, Attribute] = {
    "dbInstanceIdentifier": Attribute(force_new=True),
    "dbSnapshotIdentifier": Attribute(force_new=True),
    "sharedAccounts": Attribute(unordered=True),
}


class Snapshot(SnapshotKind):
    """A manual snapshot of an instance."""

    token = "aws:rds/snapshot:Snapshot"
    sdk = rds.Snapshot
    noun = "RDS DB Snapshot"
    attributes = _ATTRIBUTES

    def start(self, rds_client: Any, inputs: Properties, tags: list[dict[str, str]]) -> Mapping[str, Any]:
        """Take a snapshot."""
        made: Mapping[str, Any] = rds_client.create_db_snapshot(
            DBInstanceIdentifier=inputs["dbInstanceIdentifier"],
            DBSnapshotIdentifier=inputs["dbSnapshotIdentifier"],
            Tags=tags,
        )["DBSnapshot"]
        return made

    def own_readings(self, snapshot: Mapping[str, Any]) -> Properties:
        """Read whose snapshot it is (the instance's name when it was taken)."""
        return {
            "dbInstanceIdentifier": snapshot.get("DBInstanceIdentifier"),
            "dbSnapshotIdentifier": snapshot.get("DBSnapshotIdentifier"),
            "status": snapshot.get("Status"),
        }

    def name_of(self, inputs: Properties) -> str:
        """Give the snapshot's identifier."""
        return str(inputs["dbSnapshotIdentifier"])


def _find(rds_client: Any, identity: str) -> Mapping[str, Any] | None:
    try:
        snapshots = rds_client.describe_db_snapshots(DBSnapshotIdentifier=identity)["DBSnapshots"]
    except ClientError as error:
        if code_of(error) in ("DBSnapshotNotFound", "DBSnapshotNotFoundFault"):
            return None
        raise
    return snapshots[0] if snapshots else None


def _readings(snapshot: Mapping[str, Any]) -> Properties:
    return {
        "allocatedStorage": snapshot.get("AllocatedStorage"),
        "availabilityZone": snapshot.get("AvailabilityZone"),
        "dbSnapshotArn": snapshot.get("DBSnapshotArn"),
        "encrypted": snapshot.get("Encrypted"),
        "engine": snapshot.get("Engine"),
        "engineVersion": snapshot.get("EngineVersion"),
        "iops": snapshot.get("Iops"),
        "kmsKeyId": snapshot.get("KmsKeyId"),
        "licenseModel": snapshot.get("LicenseModel"),
        "optionGroupName": snapshot.get("OptionGroupName"),
        "port": snapshot.get("Port"),
        "snapshotType": snapshot.get("SnapshotType"),
        "sourceDbSnapshotIdentifier": snapshot.get("SourceDBSnapshotIdentifier"),
        "sourceRegion": snapshot.get("SourceRegion"),
        "storageType": snapshot.get("StorageType"),
        "vpcId": snapshot.get("VpcId"),
    }


def _shared(answer: Mapping[str, Any]) -> list[str]:
    for attribute in answer["DBSnapshotAttributesResult"].get("DBSnapshotAttributes") or ():
        if attribute["AttributeName"] == "restore":
            return sorted(attribute.get("AttributeValues") or ())
    return []
