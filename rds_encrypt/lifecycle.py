"""The end of standard support of MySQL versions on RDS: afterwards AWS bills Extended Support, or does not run such an instance.

Source of the dates: "Supported MySQL major versions on Amazon RDS" and its release calendar in the Amazon RDS User Guide, read in
November 2026. Source of `EngineLifecycleSupport`'s effect on a restore: the service model of RDS in botocore 1.44.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from rds_encrypt.aws.instance import Instance

__all__ = ["DISABLED", "STANDARD_SUPPORT_ENDS", "extended_support", "opted_out", "today"]

STANDARD_SUPPORT_ENDS: Mapping[str, date] = {"5.7": date(2024, 2, 29), "8.0": date(2026, 7, 31)}
"""The last day of standard support, by MySQL series; a missing series has not reached its end."""
DISABLED = "open-source-rds-extended-support-disabled"
"""`EngineLifecycleSupport` of an instance whose owner does not want Extended Support."""


def today() -> date:
    """Return today's date in UTC."""
    return datetime.now(UTC).date()


def extended_support(instance: Instance, on: date) -> tuple[str, date] | None:
    """Return the series of an instance and the last day of its standard support, if that day has passed."""
    series = ".".join(str(instance.description["EngineVersion"]).split(".")[:2])
    ended = STANDARD_SUPPORT_ENDS.get(series)
    return (series, ended) if ended is not None and on > ended else None


def opted_out(instance: Instance) -> bool:
    """Whether the owner of an instance has opted out of Extended Support."""
    return instance.description.get("EngineLifecycleSupport") == DISABLED
