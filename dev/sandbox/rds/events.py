"""Events: what happened to instances, snapshots and parameter groups."""

from __future__ import annotations

from datetime import timedelta

from dev.sandbox.rds import views
from dev.sandbox.rds.clock import now
from dev.sandbox.rds.pagination import page
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


@action("DescribeEvents")
def describe(region: Region, parameters: Parameters) -> Result:
    since = now() - timedelta(minutes=parameters.get("Duration", 60))
    events = [event for event in region.events if since <= event.date]
    if name := parameters.get("SourceIdentifier"):
        events = [event for event in events if event.source_identifier == name]
    return page([views.event(event) for event in events], parameters, "Events")
