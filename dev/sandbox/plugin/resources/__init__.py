"""The resource types that the stand-in knows, by token."""

from __future__ import annotations

from collections.abc import Mapping

from dev.sandbox.plugin.resources.base import Change, Failure, Operation, Resource
from dev.sandbox.plugin.resources.instance import Instance
from dev.sandbox.plugin.resources.parameter_group import ParameterGroup
from dev.sandbox.plugin.resources.snapshot import Snapshot
from dev.sandbox.plugin.resources.snapshot_copy import SnapshotCopy

RESOURCES: Mapping[str, Resource] = {
    resource.token: resource for resource in (Instance(), Snapshot(), SnapshotCopy(), ParameterGroup())
}

__all__ = ["RESOURCES", "Change", "Failure", "Operation", "Resource"]
