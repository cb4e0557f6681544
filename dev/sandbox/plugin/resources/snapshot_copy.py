"""`aws:rds/snapshotCopy:SnapshotCopy`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pulumi_aws import rds

from dev.sandbox.plugin.resources.base import Attribute, Failure
from dev.sandbox.plugin.resources.snapshot import SnapshotKind
from dev.sandbox.plugin.values import UNKNOWN, Properties, is_empty

__all__ = ["SnapshotCopy"]


_ATTRIBUTES: Mapping[str, Attribute] = {
    "copyTags": Attribute(force_new=True, unreadable=True),
    "destinationRegion": Attribute(force_new=True, unreadable=True),
    "kmsKeyId": Attribute(force_new=True),
    "optionGroupName": Attribute(computed=True, force_new=True),
    "presignedUrl": Attribute(force_new=True, unreadable=True),
    "sharedAccounts": Attribute(unordered=True),
    "sourceDbSnapshotIdentifier": Attribute(force_new=True),
    "targetCustomAvailabilityZone": Attribute(force_new=True, unreadable=True),
    "targetDbSnapshotIdentifier": Attribute(force_new=True),
}


class SnapshotCopy(SnapshotKind):
    """A copy of a snapshot, perhaps encrypted.

    Source and key are read back as AWS tells them (as ARNs) and are both ForceNew: name them otherwise (a plain
    identifier, a key alias) and the next preview replaces the copy.
    """

    token = "aws:rds/snapshotCopy:SnapshotCopy"
    sdk = rds.SnapshotCopy
    noun = "RDS DB Snapshot Copy"
    attributes = _ATTRIBUTES

    def validate(self, resource: str, inputs: Properties) -> Iterable[Failure]:
        """Refuse names that the schema refuses, and copies to other regions, which we don't make."""
        name = inputs["targetDbSnapshotIdentifier"]
        if name != UNKNOWN and (len(name) > 255 or not re.match(r"[0-9A-Za-z][\w-]+", name)):
            yield Failure(
                "targetDbSnapshotIdentifier",
                "must contain only alphanumeric, and hyphen (-) characters. Examine values at "
                f"'{resource}.targetDbSnapshotIdentifier'.",
            )
        for unsupported in ("destinationRegion", "presignedUrl", "targetCustomAvailabilityZone"):
            if not is_empty(inputs.get(unsupported)):
                yield Failure(
                    unsupported, f"the stand-in for pulumi-resource-aws does not support '{unsupported}'"
                )

    def start(self, rds_client: Any, inputs: Properties, tags: list[dict[str, str]]) -> Mapping[str, Any]:
        """Copy the source."""
        request: dict[str, Any] = {
            "SourceDBSnapshotIdentifier": inputs["sourceDbSnapshotIdentifier"],
            "TargetDBSnapshotIdentifier": inputs["targetDbSnapshotIdentifier"],
            "Tags": tags,
        }
        for name, parameter in (
            ("copyTags", "CopyTags"),
            ("kmsKeyId", "KmsKeyId"),
            ("optionGroupName", "OptionGroupName"),
        ):
            if not is_empty(inputs.get(name)):
                request[parameter] = inputs[name]
        made: Mapping[str, Any] = rds_client.copy_db_snapshot(**request)["DBSnapshot"]
        return made

    def own_readings(self, snapshot: Mapping[str, Any]) -> Properties:
        """Read the copy's own name."""
        return {"targetDbSnapshotIdentifier": snapshot.get("DBSnapshotIdentifier")}

    def name_of(self, inputs: Properties) -> str:
        """Give the copy's identifier."""
        return str(inputs["targetDbSnapshotIdentifier"])
