"""DB snapshots: whether one exists, whose it is, whether it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.exceptions

from controlplane.aws import Aws, code_of, sorted_errors

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBSnapshotTypeDef

__all__ = ["delete", "status_of", "tags_of"]

_NOT_FOUND = {"DBSnapshotNotFound", "DBSnapshotNotFoundFault"}


def tags_of(aws: Aws, identifier: str) -> dict[str, str] | None:
    """Return the tags of a snapshot, or ``None`` if there is no such snapshot."""
    found = _described(aws, identifier)
    return {tag["Key"]: tag["Value"] for tag in found.get("TagList", [])} if found is not None else None


def status_of(aws: Aws, identifier: str) -> str | None:
    """Return AWS's status of a snapshot, such as ``failed``, or ``None`` if there is no such snapshot."""
    found = _described(aws, identifier)
    return found["Status"] if found is not None else None


def delete(aws: Aws, identifier: str) -> None:
    """Delete a snapshot, if it is still there.

    Raises:
        NeedsHuman: AWS refused; one that is still being made cannot be deleted.
    """
    with sorted_errors(f"snapshot {identifier}"):
        try:
            aws.rds.delete_db_snapshot(DBSnapshotIdentifier=identifier)
        except botocore.exceptions.ClientError as error:
            if code_of(error) not in _NOT_FOUND:
                raise


def _described(aws: Aws, identifier: str) -> DBSnapshotTypeDef | None:
    with sorted_errors(f"snapshot {identifier}"):
        try:
            found = aws.rds.describe_db_snapshots(DBSnapshotIdentifier=identifier)["DBSnapshots"]
        except botocore.exceptions.ClientError as error:
            if code_of(error) in _NOT_FOUND:
                return None
            raise
    return found[0] if found else None
