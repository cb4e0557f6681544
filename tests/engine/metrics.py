"""Figures that RDS would send to CloudWatch, and the sandbox does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.engine.deployment import Deployment

__all__ = ["note_free_storage"]


def note_free_storage(deployment: Deployment, identifier: str, *, gib: float, ago: timedelta) -> None:
    """Send CloudWatch, which keeps it, what RDS would; it is asked by whole seconds, so a younger figure may be left out."""
    deployment.client("cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            {
                "MetricName": "FreeStorageSpace",
                "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": identifier}],
                "Value": gib * 2**30,
                "Timestamp": datetime.now(UTC) - ago,
            }
        ],
    )
