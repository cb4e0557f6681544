"""The state of one region: its resources, found by name, under one lock."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dev.sandbox.faults import FaultBook
from dev.sandbox.rds import identifiers, neighbours
from dev.sandbox.rds.clock import TimeModel, now
from dev.sandbox.rds.errors import RDSError, instance_not_found, invalid_value, snapshot_not_found
from dev.sandbox.rds.hosting import Hosting
from dev.sandbox.rds.mirror import Mirror
from dev.sandbox.rds.model import (
    DBInstance,
    DBSnapshot,
    Event,
    OptionGroup,
    ParameterGroup,
    SubnetGroup,
    Tags,
)
from dev.sandbox.rds.parameters import FAMILIES
from dev.sandbox.rds.registry import Parameters

__all__ = ["QUOTAS", "Region", "require_few", "tags_from"]

# AWS's defaults for a new account, by the names that DescribeAccountAttributes uses.
QUOTAS = {
    "DBInstances": 40,
    "ManualSnapshots": 100,
    "DBParameterGroups": 50,
    "DBSubnetGroups": 50,
    "OptionGroups": 20,
    "ReadReplicasPerMaster": 15,
    "AllocatedStorage": 100000,
    "SnapshotCopiesInProgress": 20,
}


MOST_TAGS = 50
"""Tags that a resource may have ("Tagging Amazon RDS resources", Amazon RDS User Guide)."""


def tags_from(parameters: Parameters) -> Tags:
    """Return the tags of a request, if a resource can have them."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in parameters.get("Tags", [])}
    for prefix in ("aws:", "rds:"):
        if any(key.lower().startswith(prefix) for key in tags):
            raise invalid_value(f"Tag keys cannot start with the reserved prefix '{prefix}'")
    require_few(tags)
    return tags


def require_few(tags: Tags) -> None:
    """Refuse more tags than a resource may have."""
    if len(tags) > MOST_TAGS:
        raise invalid_value(f"A resource cannot have more than {MOST_TAGS} tags")


class Region:
    """Everything that RDS keeps in one region; handlers and workers change it under `lock`."""

    def __init__(
        self, name: str, account_id: str, hosting: Hosting, clock: TimeModel, faults: FaultBook
    ) -> None:
        self.name = name
        self.account_id = account_id
        self.hosting = hosting
        self.clock = clock
        self.faults = faults
        self.lock = threading.RLock()
        self.quotas = dict(QUOTAS)
        self.instances: dict[str, DBInstance] = {}
        self.snapshots: dict[str, DBSnapshot] = {}
        self.parameter_groups: dict[str, ParameterGroup] = {}
        self.option_groups: dict[str, OptionGroup] = {}
        self.subnet_groups: dict[str, SubnetGroup] = {}
        self.events: list[Event] = []
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.integrations: dict[str, dict[str, Any]] = {}
        self.mirror = Mirror()
        self.proxies_follow = False
        self.proxies: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
        for family in FAMILIES:
            self._add_defaults(family)

    def _add_defaults(self, family: str) -> None:
        version = family.removeprefix("mysql")
        group = f"default.{family}"
        self.parameter_groups[group] = ParameterGroup(group, family, f"Default parameter group for {family}")
        options = f"default:mysql-{version.replace('.', '-')}"
        self.option_groups[options] = OptionGroup(
            options, f"Default option group for mysql {version}", version
        )

    def arn(self, kind: str, name: str) -> str:
        return identifiers.arn(self.name, self.account_id, kind, name)

    def instance(self, name: str, *, known_only: bool = True) -> DBInstance:
        """Return the instance of that identifier or ARN; in the middle of a rename no name answers."""
        identifier = identifiers.name_from_arn(name, "db").lower()
        for instance in self.instances.values():
            if instance.identifier == identifier and not (instance.away and known_only):
                return instance
        raise instance_not_found(identifier)

    def resource_ids(self, names: set[str]) -> set[str]:
        """Return the DbiResourceIds of the instances of these names."""
        with self.lock:
            return {
                instance.resource_id for instance in self.instances.values() if instance.identifier in names
            }

    def name_is_taken(self, identifier: str) -> bool:
        return any(instance.holds(identifier) for instance in self.instances.values())

    def replicas_of(self, source: DBInstance) -> list[DBInstance]:
        return [instance for instance in self.instances.values() if instance.source is source]

    def snapshot(self, name: str) -> DBSnapshot:
        identifier = identifiers.name_from_arn(name, "snapshot")
        snapshot = self.snapshots.get(identifier.lower())
        if snapshot is None:
            raise snapshot_not_found(identifier)
        return snapshot

    def parameter_group(self, name: str) -> ParameterGroup:
        identifier = identifiers.name_from_arn(name, "pg").lower()
        group = self.parameter_groups.get(identifier)
        if group is None:
            raise RDSError("DBParameterGroupNotFound", f"DBParameterGroup not found: {identifier}")
        return group

    def option_group(self, name: str) -> OptionGroup:
        identifier = identifiers.name_from_arn(name, "og").lower()
        group = self.option_groups.get(identifier)
        if group is None:
            raise RDSError("OptionGroupNotFoundFault", f"Specified OptionGroupName: {identifier} not found.")
        return group

    def subnet_group(self, name: str) -> SubnetGroup:
        identifier = identifiers.name_from_arn(name, "subgrp").lower()
        if identifier == "default" and identifier not in self.subnet_groups:
            subnets = neighbours.default_vpc_subnets(self.account_id, self.name)
            self.subnet_groups[identifier] = SubnetGroup(identifier, "default", subnets)
        group = self.subnet_groups.get(identifier)
        if group is None:
            raise RDSError("DBSubnetGroupNotFoundFault", f"DB subnet group '{identifier}' does not exist.")
        return group

    def key_arn(self, key: str | None) -> str:
        return neighbours.key_arn(self.account_id, self.name, key)

    def tell(self, instance: DBInstance, message: str, *categories: str) -> None:
        """Record an event of an instance."""
        arn = self.arn("db", instance.identifier)
        self._record("db-instance", instance.identifier, arn, message, categories)

    def tell_snapshot(self, snapshot: DBSnapshot, message: str, *categories: str) -> None:
        arn = self.arn("snapshot", snapshot.identifier)
        self._record("db-snapshot", snapshot.identifier, arn, message, categories)

    def tell_group(self, group: ParameterGroup, message: str) -> None:
        arn = self.arn("pg", group.name)
        self._record("db-parameter-group", group.name, arn, message, ("configuration change",))

    def _record(self, kind: str, name: str, arn: str, message: str, categories: Iterable[str]) -> None:
        date: datetime = now()
        self.events.append(Event(kind, name, arn, message, tuple(categories), date))

    def close(self) -> None:
        """Stop all servers, and let no transition go on."""
        self.clock.closing.set()
        with self.lock:
            instances = list(self.instances.values())
        self.hosting.thaw_all(instances)
        for instance in instances:
            instance.worker.finish()
        for instance in instances:
            instance.worker.join(10)
        self.hosting.stop_all(instances)
