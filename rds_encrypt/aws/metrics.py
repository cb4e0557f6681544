"""CloudWatch's metrics of DB instances."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors

__all__ = ["free_storage"]

_WINDOW = timedelta(minutes=15)


def free_storage(aws: Aws, identifier: str) -> float | None:
    """Return CloudWatch's latest figure for the free bytes, or ``None`` if it has none from the last 15 minutes.

    Source: "Amazon CloudWatch metrics for Amazon RDS" in the Amazon RDS User Guide: FreeStorageSpace, in bytes, each minute.
    """
    now = datetime.now(UTC)
    with sorted_errors(f"CloudWatch metrics of {identifier}"):
        points = aws.cloudwatch.get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName="FreeStorageSpace",
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": identifier}],
            StartTime=now - _WINDOW,
            EndTime=now,
            Period=60,
            Statistics=["Minimum"],
        )["Datapoints"]
    if not points:
        return None
    return max(points, key=lambda point: point["Timestamp"])["Minimum"]
