"""All manual snapshots of a region, and which of them are copies in progress, whose number AWS limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors

__all__ = ["Listed", "listed", "tag"]


@dataclass(frozen=True)
class Listed:
    """A manual snapshot.

    ``origin`` is the ARN of the snapshot that it was copied from, if AWS reports it.
    """

    identifier: str
    arn: str
    status: str
    origin: str | None
    tags: Mapping[str, str]

    @property
    def in_progress(self) -> bool:
        """Whether AWS is still creating it."""
        return self.status == "creating"


def listed(aws: Aws) -> list[Listed]:
    """Return the region's manual snapshots; every copy is one."""
    with sorted_errors("snapshots"):
        pages = aws.rds.get_paginator("describe_db_snapshots").paginate(SnapshotType="manual")
        return [
            Listed(
                snapshot["DBSnapshotIdentifier"],
                snapshot["DBSnapshotArn"],
                snapshot["Status"],
                snapshot.get("SourceDBSnapshotIdentifier"),
                {tag["Key"]: tag["Value"] for tag in snapshot.get("TagList", [])},
            )
            for page in pages
            for snapshot in page["DBSnapshots"]
        ]


def tag(aws: Aws, arn: str, tags: Mapping[str, str]) -> None:
    """Add tags to a snapshot."""
    with sorted_errors(arn.rpartition(":")[2]):
        aws.rds.add_tags_to_resource(
            ResourceName=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )
