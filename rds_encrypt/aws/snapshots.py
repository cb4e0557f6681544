"""DB snapshots: finds them with their status and tags, and deletes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.describe_batches import in_pages, shared_batches
from rds_encrypt.aws.errors import code_of, sorted_errors

__all__ = ["Snapshot", "delete", "existing", "tags_of"]

_NOT_FOUND = {"DBSnapshotNotFound", "DBSnapshotNotFoundFault"}


@dataclass(frozen=True)
class Snapshot:
    """A snapshot's status in AWS, such as ``failed``, its tags, and AWS's whole description."""

    status: str
    tags: dict[str, str]
    description: Mapping[str, Any] = field(default_factory=dict, repr=False)


def existing(aws: Aws, identifiers: Iterable[str]) -> dict[str, Snapshot]:
    """Return those of the given snapshots that exist, by name."""
    sorted_names = sorted(identifiers)

    def request(names: Sequence[str]) -> dict[str, Snapshot]:
        return {name: snapshot for some in in_pages(names) for name, snapshot in _described(aws, some)}

    with sorted_errors(f"snapshots {', '.join(sorted_names)}"):
        return shared_batches(aws.settings).snapshots.ask(sorted_names, request)


def _described(aws: Aws, names: list[str]) -> Iterator[tuple[str, Snapshot]]:
    try:
        pages = aws.rds.get_paginator("describe_db_snapshots").paginate(
            Filters=[{"Name": "db-snapshot-id", "Values": names}]
        )
        for page in pages:
            for snapshot in page["DBSnapshots"]:
                tags = {tag["Key"]: tag["Value"] for tag in snapshot.get("TagList", [])}
                yield snapshot["DBSnapshotIdentifier"], Snapshot(snapshot["Status"], tags, snapshot)
    except botocore.exceptions.ClientError as error:
        if code_of(error) not in _NOT_FOUND:
            raise
        if len(names) > 1:  # the error does not say which one is unknown; the others exist
            for name in names:
                yield from _described(aws, [name])


def tags_of(aws: Aws, identifier: str) -> dict[str, str] | None:
    """Return the tags of a snapshot, or ``None`` if there is no such snapshot."""
    snapshot = existing(aws, [identifier]).get(identifier)
    return snapshot.tags if snapshot is not None else None


def delete(aws: Aws, identifier: str) -> None:
    """Delete a snapshot, if it is still there.

    Raises:
        ActionRequired: AWS refused; AWS cannot delete one that it is still creating.
    """
    with sorted_errors(f"snapshot {identifier}"):
        try:
            aws.rds.delete_db_snapshot(DBSnapshotIdentifier=identifier)
        except botocore.exceptions.ClientError as error:
            if code_of(error) not in _NOT_FOUND:
                raise
