"""Events: what happened to instances, snapshots and parameter groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dev.sandbox.rds import views
from dev.sandbox.rds.clock import now
from dev.sandbox.rds.pagination import page
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []

_CATEGORIES = (
    "availability",
    "backup",
    "configuration change",
    "creation",
    "deletion",
    "failover",
    "failure",
    "maintenance",
    "notification",
    "read replica",
    "recovery",
    "restoration",
)


@action("DescribeEvents")
def describe(region: Region, parameters: Parameters) -> Result:
    minutes = parameters.get("Duration", 60)
    end = _aware(parameters.get("EndTime")) or now()
    start = _aware(parameters.get("StartTime")) or end - timedelta(minutes=minutes)
    found = [each for each in region.events if start <= each.date <= end]
    if kind := parameters.get("SourceType"):
        found = [each for each in found if each.source_type == kind]
    if name := parameters.get("SourceIdentifier"):
        found = [each for each in found if each.source_identifier == name]
    if categories := parameters.get("EventCategories"):
        found = [each for each in found if set(categories) & set(each.categories)]
    return page([views.event(each) for each in found], parameters, "Events")


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


@action("DescribeEventCategories")
def categories(region: Region, parameters: Parameters) -> Result:
    kind = parameters.get("SourceType", "db-instance")
    return {"EventCategoriesMapList": [{"SourceType": kind, "EventCategories": list(_CATEGORIES)}]}
