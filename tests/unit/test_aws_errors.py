"""AWS's errors, sorted by what to do about them."""

from __future__ import annotations

import botocore.exceptions
import pytest

from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable


def client_error(code: str, status: int = 400, message: str = "said so") -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "ModifyDBInstance",
    )


def sorted_as(error: Exception) -> MigrationError:
    with pytest.raises(MigrationError) as raised, sorted_errors("orders"):
        raise error
    return raised.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("Throttling"), Retryable),
        (client_error("ThrottlingException"), Retryable),
        (client_error("InvalidDBInstanceState"), Retryable),
        (client_error("SomethingNew", status=503), Retryable),
        (client_error("DBInstanceAlreadyExists"), ActionRequired),
        (client_error("InsufficientDBInstanceCapacity"), Retryable),
        (client_error("SnapshotQuotaExceeded"), ActionRequired),
        (client_error("KMSKeyNotAccessibleFault"), ActionRequired),
        (client_error("InvalidParameterCombination"), ActionRequired),
        (client_error("ExpiredToken", status=403), ActionRequired),
        (client_error("AccessDenied", status=403), ActionRequired),
        (botocore.exceptions.NoCredentialsError(), ActionRequired),
        (botocore.exceptions.NoRegionError(), ActionRequired),
        (botocore.exceptions.ProfileNotFound(profile="shop"), ActionRequired),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="https://rds"), Retryable),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="https://rds"), Retryable),
    ],
)
def test_each_error_is_of_the_kind_that_says_what_to_do(error: Exception, kind: type[MigrationError]) -> None:
    failure = sorted_as(error)
    assert type(failure) is kind
    assert str(failure).startswith("orders: ")


def test_a_denial_names_what_to_allow() -> None:
    message = str(sorted_as(client_error("AccessDenied", message="User: x is not authorized")))
    assert message == (
        "orders: AWS refused ModifyDBInstance (User: x is not authorized). Allow ModifyDBInstance to the caller:"
        " rds_encrypt/policies/iam-policy.json lists everything that a migration needs."
    )


def test_expired_credentials_are_to_be_renewed() -> None:
    assert "Renew them, then run the same command again" in str(sorted_as(client_error("ExpiredToken")))


def test_anything_else_is_told_as_aws_told_it() -> None:
    message = str(sorted_as(client_error("InvalidSomething", message="Too much.")))
    assert message == (
        "orders: ModifyDBInstance failed with InvalidSomething: Too much. Correct what AWS objects to, then run the same"
        " command again; it continues where it stopped."
    )


def test_what_is_not_aws_passes_through() -> None:
    with pytest.raises(KeyError), sorted_errors("orders"):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("code", "message", "kind", "words"),
    [
        (
            "InvalidParameterCombination",
            "You cannot create an encrypted Read Replica from an unencrypted DB instance.",
            ActionRequired,
            "AWS does not encrypt a replica of an unencrypted instance",
        ),
        (
            "InvalidParameterValue",
            "Creating read replicas for source instance with engine mysql where ManageMasterUserPassword is enabled is not supported.",
            ActionRequired,
            "whose master password RDS manages",
        ),
        (
            "InvalidDBInstanceState",
            "Instance orders is already being deleted.",
            Retryable,
            "it is being deleted",
        ),
        (
            "InvalidParameterCombination",
            "Instance cannot currently reboot due to an in-progress management operation.",
            Retryable,
            "the instance is busy",
        ),
        ("InvalidParameterValue", "Database instance is not in available state.", Retryable, "is busy"),
        (
            "SnapshotQuotaExceeded",
            "Cannot create more than 100 manual snapshots",
            ActionRequired,
            "a quota of",
        ),
        (
            "InvalidParameterValue",
            "The resource would have more than 50 tags",
            ActionRequired,
            "more tags than the 50 that AWS allows",
        ),
        (
            "InvalidParameterValue",
            "Tag keys cannot start with the reserved prefix aws:",
            ActionRequired,
            "AWS refused a tag",
        ),
        (
            "InvalidDBInstanceState",
            "Cannot stop or start a Read-Replica instance",
            ActionRequired,
            "AWS neither stops nor starts",
        ),
        (
            "KMSKeyNotAccessibleFault",
            "Specified KMS key [k] does not exist, is not enabled or you do not have permissions to access it.",
            ActionRequired,
            "the KMS key cannot be used",
        ),
        (
            "InvalidParameterValue",
            "Specified KMS key [k] does not exist, is not enabled or you do not have permissions to access it.",
            ActionRequired,
            "the KMS key cannot be used",
        ),
        ("DBSnapshotNotFound", "DBSnapshot orders not found", ActionRequired, "it does not exist"),
        ("InvalidDBSnapshotState", "Cannot copy: creating", Retryable, "the snapshot is busy"),
        (
            "InvalidAction",
            "Could not find operation",
            ActionRequired,
            "this endpoint does not know ModifyDBInstance",
        ),
    ],
)
def test_what_rds_refuses_gets_a_sentence_of_its_own(
    code: str, message: str, kind: type[MigrationError], words: str
) -> None:
    failure = sorted_as(client_error(code, message=message))
    assert type(failure) is kind
    assert words in failure.what
    assert "rds_encrypt/policies/iam-policy.json" not in str(failure)
    assert failure.fix
