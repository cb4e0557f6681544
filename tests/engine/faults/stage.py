"""Where faults are provoked: a source with its encrypted live replica, and what a step sees of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dev.sandbox.faults import Faults
from dev.sandbox.mysql.accounts import HostSecrets
from dev.sandbox.mysql.sessions import AdminSession, admin_session
from providers.arguments import StepArgs, as_inputs
from providers.step import StepContext
from rds_encrypt.access import Access, AccessSettings
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.waiting import silent
from rds_encrypt.mysql.session import Session
from tests.engine.account import look
from tests.engine.deployment import Deployment, driving

__all__ = ["Stage", "staged"]

A = TypeVar("A", bound=StepArgs)


@dataclass
class Stage:
    """A source in phase `replicate`; ``later`` holds what puts it back after a fault."""

    deployment: Deployment
    source_id: str
    encrypted_id: str
    replica_id: str
    before: dict[str, Any]
    """The account before the migration began."""
    later: ExitStack = field(default_factory=ExitStack)

    @property
    def faults(self) -> Faults:
        return self.deployment.sandbox.faults

    @property
    def access(self) -> AccessSettings:
        seeded = self.deployment.seeded
        return AccessSettings(secret_id=seeded.master_secret, ca_file=str(seeded.ca_bundle))

    def aws(self, attempts: int = 1) -> Aws:
        """A client that does not hide the errors that it meets."""
        return Aws(AwsSettings(region="us-east-1", attempts=attempts))

    def world(self, access: AccessSettings | None = None) -> StepContext:
        """The context that a step is given."""
        aws = self.aws()
        return StepContext(aws, Access(aws, access or self.access), silent)

    @property
    def instances(self) -> Instances:
        return Instances(self.aws())

    def args(self, kind: type[A], **more: Any) -> A:
        """The arguments of a step."""
        return kind.from_inputs(
            {
                "identifier": "orders",
                "source_id": self.source_id,
                "encrypted_id": self.encrypted_id,
                "replica_id": self.replica_id,
                "access": as_inputs(self.access),
                **more,
            }
        )

    @contextmanager
    def session(self, resource_id: str) -> Iterator[Session]:
        with self.world().session(resource_id) as session:
            yield session

    @contextmanager
    def host(self, resource_id: str) -> Iterator[AdminSession]:
        """Open a session as RDS's own account: it may do what nobody should."""
        with admin_session(self.directory(resource_id), self._secret(resource_id), timeout=5.0) as session:
            yield session

    def directory(self, resource_id: str) -> Path:
        """Where the server of an instance keeps its files."""
        instances = {
            instance["resource_id"]: instance for instance in self.deployment.sandbox.status()["instances"]
        }
        return Path(instances[resource_id]["directory"])

    def in_status(self, status: str, identifier: str = "orders-encrypted") -> None:
        """Put an instance into a status until the fault is over."""
        self.faults.set_status(identifier, status)
        self.later.callback(self.faults.set_status, identifier, "available")

    def _secret(self, resource_id: str) -> str:
        return HostSecrets.of(self.directory(resource_id) / "data").admin


@contextmanager
def staged(directory: Path) -> Iterator[Stage]:
    """Bring a sandbox into phase `replicate`; this process is a client of it meanwhile."""
    with driving(directory) as deployment, pytest.MonkeyPatch.context() as patch:
        for name, value in deployment.workspace.environment.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        before = look(deployment)
        deployment.up("replicate")
        yield Stage(
            deployment,
            deployment.instance("orders")["DbiResourceId"],
            deployment.instance("orders-encrypted")["DbiResourceId"],
            deployment.instance("orders-not-encrypted")["DbiResourceId"],
            before,
        )
