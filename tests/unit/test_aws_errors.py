"""AWS's errors, sorted by what to do about them."""

from __future__ import annotations

import botocore.exceptions
import pytest

from controlplane.aws import sorted_errors
from foundation.errors import MigrationError, NeedsHuman, Retryable


def client_error(code: str, status: int = 400, message: str = "said so") -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "ModifyDBInstance",
    )


def sorted_as(error: Exception) -> MigrationError:
    with pytest.raises(MigrationError) as found, sorted_errors("orders"):
        raise error
    return found.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("Throttling"), Retryable),
        (client_error("ThrottlingException"), Retryable),
        (client_error("InvalidDBInstanceState"), Retryable),
        (client_error("SomethingNew", status=503), Retryable),
        (client_error("DBInstanceAlreadyExists"), NeedsHuman),
        (client_error("InsufficientDBInstanceCapacity"), Retryable),
        (client_error("SnapshotQuotaExceeded"), NeedsHuman),
        (client_error("KMSKeyNotAccessibleFault"), NeedsHuman),
        (client_error("InvalidParameterCombination"), NeedsHuman),
        (client_error("ExpiredToken", status=403), NeedsHuman),
        (client_error("AccessDenied", status=403), NeedsHuman),
        (botocore.exceptions.NoCredentialsError(), NeedsHuman),
        (botocore.exceptions.NoRegionError(), NeedsHuman),
        (botocore.exceptions.ProfileNotFound(profile="shop"), NeedsHuman),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="https://rds"), Retryable),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="https://rds"), Retryable),
    ],
)
def test_each_error_is_of_the_kind_that_says_what_to_do(error: Exception, kind: type[MigrationError]) -> None:
    found = sorted_as(error)
    assert type(found) is kind
    assert str(found).startswith("orders: ")


def test_a_denial_names_what_to_allow() -> None:
    said = str(sorted_as(client_error("AccessDenied", message="User: x is not authorized")))
    assert said == (
        "orders: AWS refused ModifyDBInstance (User: x is not authorized). Allow ModifyDBInstance to the caller:"
        " docs/iam-policy.json lists all that a migration needs."
    )


def test_expired_credentials_are_to_be_renewed() -> None:
    assert "Renew them, then run the same command again" in str(sorted_as(client_error("ExpiredToken")))


def test_anything_else_is_told_as_aws_told_it() -> None:
    said = str(sorted_as(client_error("InvalidSomething", message="Too much.")))
    assert said == (
        "orders: ModifyDBInstance failed with InvalidSomething: Too much. Correct what AWS objects to, then run the same"
        " command again; it goes on where it stopped."
    )


def test_what_is_not_aws_passes_through() -> None:
    with pytest.raises(KeyError), sorted_errors("orders"):
        raise KeyError("x")
