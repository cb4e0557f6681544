"""AWS clients from standard settings, and AWS's errors sorted by what to do about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import botocore.exceptions
from botocore.config import Config

from foundation.errors import MigrationError, NeedsHuman, Retryable

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

__all__ = ["Aws", "AwsSettings", "code_of", "sorted_errors"]

_RETRYABLE = {
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "InternalFailure",
    "ServiceUnavailable",
    "InvalidDBInstanceState",
    "InvalidDBInstanceStateFault",
}
_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


@dataclass(frozen=True)
class AwsSettings:
    """Which region and profile to use; ``None`` leaves it to the environment, as every AWS tool does."""

    region: str | None = None
    profile: str | None = None


class Aws:
    """The clients of one process, made when first asked for."""

    def __init__(self, settings: AwsSettings) -> None:
        self._session = boto3.Session(region_name=settings.region, profile_name=settings.profile)
        # "standard" backs off with jitter and retries what AWS documents as transient.
        self._config = Config(
            retries={"mode": "standard", "max_attempts": 8},
            connect_timeout=10,
            read_timeout=60,
            user_agent_extra="rds-encrypt",
        )

    @property
    def region(self) -> str:
        """The region that the clients talk to."""
        return self._session.region_name or "no region"

    @cached_property
    def rds(self) -> RDSClient:
        """RDS."""
        return self._session.client("rds", config=self._config)

    @cached_property
    def kms(self) -> KMSClient:
        """Key Management Service."""
        return self._session.client("kms", config=self._config)

    @cached_property
    def ec2(self) -> EC2Client:
        """EC2, for security groups."""
        return self._session.client("ec2", config=self._config)

    @cached_property
    def route53(self) -> Route53Client:
        """Route 53, for the record that applications use."""
        return self._session.client("route53", config=self._config)

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        """Secrets Manager."""
        return self._session.client("secretsmanager", config=self._config)


def code_of(error: botocore.exceptions.ClientError) -> str:
    """Return AWS's error code."""
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def sorted_errors(where: str) -> Iterator[None]:
    """Turn botocore's errors into ours.

    Raises:
        Retryable: AWS was throttling, away, or the resource was busy.
        NeedsHuman: anything that another attempt will not change.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _classified(error, where) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.NoRegionError) as error:
        raise NeedsHuman(
            f"AWS cannot be asked: {error}",
            where=where,
            fix="Set a region (`pulumi config set aws:region …`) and credentials, as for any AWS tool",
        ) from error
    except botocore.exceptions.ProfileNotFound as error:
        raise NeedsHuman(str(error), where=where, fix="Correct `aws:profile`") from error
    except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError) as error:
        raise Retryable(
            f"AWS could not be reached ({error})",
            where=where,
            fix="Check the network, then run the same command again",
        ) from error


def _classified(error: botocore.exceptions.ClientError, where: str) -> MigrationError:
    code = code_of(error)
    said = error.response.get("Error", {}).get("Message", "")
    operation = error.operation_name
    if code in _CREDENTIALS:
        return NeedsHuman(
            f"AWS does not accept the credentials ({operation}: {code})",
            where=where,
            fix="Renew them, then run the same command again; it goes on where it stopped",
        )
    if code in _DENIED:
        return NeedsHuman(
            f"AWS refused {operation} ({said})", where=where, fix=f"Allow {operation} to the caller"
        )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = Retryable if code in _RETRYABLE or status >= 500 else NeedsHuman
    return kind(f"{operation} failed with {code}: {said}", where=where)
