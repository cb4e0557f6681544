"""AWS clients from standard settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from rds_encrypt.aws.recent_tags import RecentTags

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

__all__ = ["Aws", "AwsSettings"]


@dataclass(frozen=True)
class AwsSettings:
    """The region and profile; ``None`` uses the environment, as every AWS tool does.

    ``attempts`` is the number of attempts for a call that AWS throttles or fails to answer.
    """

    region: str | None = None
    profile: str | None = None
    attempts: int = 8


class Aws:
    """The clients of one process, created on first use."""

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._session = boto3.Session(region_name=settings.region, profile_name=settings.profile)
        # "standard" backs off with jitter and retries what AWS documents as transient.
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": settings.attempts},
            connect_timeout=10,
            read_timeout=60,
            user_agent_extra="rds-encrypt",
        )
        # Many threads may use a client, but only one at a time may create one from a session.
        self._making = Lock()

    @cached_property
    def recent_tags(self) -> RecentTags:
        """The tags that these clients have just written."""
        return RecentTags()

    @property
    def profile(self) -> str | None:
        """The configured profile; ``None`` uses the environment."""
        return self.settings.profile

    @property
    def region(self) -> str:
        """The region of the clients."""
        return self._session.region_name or "no region"

    @cached_property
    def rds(self) -> RDSClient:
        """RDS."""
        with self._making:
            return self._session.client("rds", config=self._config)

    @cached_property
    def kms(self) -> KMSClient:
        """Key Management Service."""
        with self._making:
            return self._session.client("kms", config=self._config)

    @cached_property
    def ec2(self) -> EC2Client:
        """EC2, for security groups."""
        with self._making:
            return self._session.client("ec2", config=self._config)

    @cached_property
    def route53(self) -> Route53Client:
        """Route 53, for the record that applications use."""
        with self._making:
            return self._session.client("route53", config=self._config)

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        """CloudWatch, for the free storage of instances and the alarms about them."""
        with self._making:
            return self._session.client("cloudwatch", config=self._config)

    @cached_property
    def iam(self) -> Any:
        """IAM, for simulating the caller's permissions."""
        with self._making:
            return self._session.client("iam", config=self._config)

    @cached_property
    def ssm(self) -> Any:
        """Systems Manager, for tunnels to the databases through an instance."""
        with self._making:
            return self._session.client("ssm", config=self._config)

    @cached_property
    def dms(self) -> Any:
        """Database Migration Service, for endpoints that read from instances."""
        with self._making:
            return self._session.client("dms", config=self._config)

    @cached_property
    def events(self) -> Any:
        """EventBridge, for rules that name instances."""
        with self._making:
            return self._session.client("events", config=self._config)

    @cached_property
    def sts(self) -> STSClient:
        """STS, for the caller's identity."""
        with self._making:
            return self._session.client("sts", config=self._config)

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        """Secrets Manager."""
        with self._making:
            return self._session.client("secretsmanager", config=self._config)
