"""DB snapshots: whether one exists and whose it is."""

from __future__ import annotations

import botocore.exceptions

from controlplane.aws import Aws, code_of, sorted_errors

__all__ = ["tags_of"]


def tags_of(aws: Aws, identifier: str) -> dict[str, str] | None:
    """Return the tags of a snapshot, or ``None`` if there is no such snapshot."""
    with sorted_errors(f"snapshot {identifier}"):
        try:
            found = aws.rds.describe_db_snapshots(DBSnapshotIdentifier=identifier)["DBSnapshots"]
        except botocore.exceptions.ClientError as error:
            if code_of(error) in {"DBSnapshotNotFound", "DBSnapshotNotFoundFault"}:
                return None
            raise
    return {tag["Key"]: tag["Value"] for tag in found[0].get("TagList", [])} if found else None
