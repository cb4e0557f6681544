"""DB snapshots: whether one exists, whose it is, whether it can be used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import botocore.exceptions

from controlplane.aws import Aws, code_of, sorted_errors

__all__ = ["Snapshot", "delete", "existing", "tags_of"]

_NOT_FOUND = {"DBSnapshotNotFound", "DBSnapshotNotFoundFault"}


@dataclass(frozen=True)
class Snapshot:
    """A snapshot: AWS's status of it, such as ``failed``, and its tags."""

    status: str
    tags: dict[str, str]


def existing(aws: Aws, identifiers: Iterable[str]) -> dict[str, Snapshot]:
    """Return those of the given snapshots that exist, by name, with one request."""
    wanted = sorted(identifiers)
    with sorted_errors(f"snapshots {', '.join(wanted)}"):
        try:
            found = aws.rds.describe_db_snapshots(Filters=[{"Name": "db-snapshot-id", "Values": wanted}])
        except botocore.exceptions.ClientError as error:
            if code_of(error) in _NOT_FOUND:
                return {}
            raise
    return {
        each["DBSnapshotIdentifier"]: Snapshot(
            each["Status"], {tag["Key"]: tag["Value"] for tag in each.get("TagList", [])}
        )
        for each in found["DBSnapshots"]
    }


def tags_of(aws: Aws, identifier: str) -> dict[str, str] | None:
    """Return the tags of a snapshot, or ``None`` if there is no such snapshot."""
    found = existing(aws, [identifier]).get(identifier)
    return found.tags if found is not None else None


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
