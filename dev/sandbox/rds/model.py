"""The resources of one region, as plain records."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dev.sandbox.mysql.server import MySQLServer
from dev.sandbox.rds.neighbours import Subnet
from dev.sandbox.rds.worker import Worker

__all__ = [
    "DBInstance",
    "DBSnapshot",
    "Event",
    "OptionGroup",
    "OwnedKey",
    "ParameterGroup",
    "ParameterStatus",
    "Replication",
    "SubnetGroup",
    "Tags",
]

Tags = dict[str, str]


class ParameterStatus:
    """The values of ParameterApplyStatus."""

    IN_SYNC = "in-sync"
    APPLYING = "applying"
    PENDING_REBOOT = "pending-reboot"
    FAILED = "failed-to-apply"


@dataclass(frozen=True)
class Replication:
    """What a managed replica's server last said about its replication."""

    status: str = "replicating"
    message: str = ""

    @property
    def normal(self) -> bool:
        return self.status == "replicating"


@dataclass(frozen=True)
class OwnedKey:
    """Storage that is encrypted with a key of AWS's own, which nobody sees (`sse-rds`).

    `shown` is whether StorageEncrypted says so too: no source settles that, so both are possible.
    """

    shown: bool = True


@dataclass
class ParameterGroup:
    """A DB parameter group: only what was set by its owner is kept."""

    name: str
    family: str
    description: str
    values: dict[str, str] = field(default_factory=dict)
    apply_methods: dict[str, str] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)

    @property
    def is_default(self) -> bool:
        return self.name.startswith("default.")


@dataclass
class OptionGroup:
    """An option group; the sandbox keeps no options in it."""

    name: str
    description: str
    major_version: str
    tags: Tags = field(default_factory=dict)


@dataclass
class SubnetGroup:
    """A DB subnet group."""

    name: str
    description: str
    subnets: list[Subnet]
    tags: Tags = field(default_factory=dict)

    @property
    def vpc_id(self) -> str:
        return self.subnets[0].vpc_id


@dataclass
class DBInstance:
    """A DB instance and the server behind it; `resource_id` is its identity, `identifier` only its name."""

    resource_id: str
    identifier: str
    settings: dict[str, Any]
    engine_version: str
    master_username: str
    master_password: str
    db_name: str | None
    port: int
    parameter_group: ParameterGroup
    option_group: OptionGroup
    subnet_group: SubnetGroup
    security_groups: list[str]
    kms_key_arn: str | None
    tags: Tags
    worker: Worker
    status: str = "creating"
    created: datetime | None = None
    source: DBInstance | None = None
    server: MySQLServer | None = None
    parameter_status: str = ParameterStatus.IN_SYNC
    pending: dict[str, Any] = field(default_factory=dict)
    pending_password: bool = False
    new_identifier: str | None = None
    away: bool = False
    frozen: bool = False
    replication: Replication = field(default_factory=Replication)
    restart_at: datetime | None = None
    hydration_began: float = 0.0
    hydrated_at: float = 0.0
    initialized_at: float = 0.0
    settled_at: float = 0.0
    growth_began: float = 0.0
    optimized_at: float = 0.0
    may_grow_at: float = 0.0
    master_secret_arn: str | None = None
    encryption: OwnedKey | None = None

    @property
    def encrypted(self) -> bool:
        return self.kms_key_arn is not None or (self.encryption is not None and self.encryption.shown)

    @property
    def shown_status(self) -> str:
        """What a description says: an instance that is otherwise available may say what its storage is busy with."""
        moment = time.monotonic()
        if self.status != "available":
            return self.status
        if moment < self.optimized_at:
            return "storage-optimization"
        return "storage-initialization" if moment < self.initialized_at else self.status

    @property
    def renaming(self) -> bool:
        """Whether a rename was accepted and has not ended, even while the status still says `available`."""
        return self.new_identifier is not None

    @property
    def family(self) -> str:
        return "mysql" + ".".join(self.engine_version.split(".")[:2])

    @property
    def retention(self) -> int:
        return int(self.settings["BackupRetentionPeriod"])

    @property
    def answers(self) -> bool:
        """Whether it has an endpoint: an instance that is being created has none yet."""
        return self.server is not None and self.status != "creating"

    def holds(self, identifier: str) -> bool:
        """Whether the name is taken by this instance; in a rename it holds the old and the new one."""
        return identifier in (self.identifier, self.new_identifier)


@dataclass
class DBSnapshot:
    """A DB snapshot: a copy of a data directory, and what is known of the instance that it was taken of."""

    identifier: str
    kind: str
    instance_identifier: str
    resource_id: str
    settings: dict[str, Any]
    engine_version: str
    master_username: str
    master_password: str
    db_name: str | None
    port: int
    option_group: str
    subnet_group: str
    vpc_id: str
    kms_key_arn: str | None
    instance_created: datetime | None
    directory: Path
    tags: Tags = field(default_factory=dict)
    status: str = "creating"
    created: datetime | None = None
    original_created: datetime | None = None
    source_arn: str | None = None
    started: float = 0.0
    duration: float = 0.0
    readers: int = 0
    shared_with: list[str] = field(default_factory=list)
    encryption: OwnedKey | None = None

    @property
    def encrypted(self) -> bool:
        return self.kms_key_arn is not None or (self.encryption is not None and self.encryption.shown)


@dataclass(frozen=True)
class Event:
    """One line of DescribeEvents."""

    source_type: str
    source_identifier: str
    source_arn: str
    message: str
    categories: tuple[str, ...]
    date: datetime
