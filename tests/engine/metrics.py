"""Figures of CloudWatch's that RDS would put there, and the sandbox does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.engine.deployment import Deployment

__all__ = ["note_free_storage"]


def note_free_storage(deployment: Deployment, identifier: str, *, gib: float, ago: timedelta) -> None:
    """Tell CloudWatch what RDS would, which it keeps; it is asked by whole seconds, so what is not a second old may be left out."""
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
