"""AWS's errors, classified by what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import botocore.exceptions

from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable

__all__ = ["code_of", "denied", "passes", "sorted_errors"]

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""AWS's codes for a missing permission."""


_AGAIN = "then run the same command again; it continues where it stopped"


@dataclass(frozen=True)
class _Kind:
    """What a group of AWS's error codes means; ``{operation}``, ``{code}`` and ``{message}`` are filled in.

    With ``text``, a pattern, an error is of this kind only if AWS's message matches; without codes any code fits then, since AWS uses
    some codes for many things.
    """

    codes: frozenset[str]
    error: type[MigrationError]
    what: str
    fix: str
    text: str = ""

    def fits(self, code: str, message: str) -> bool:
        """Return whether AWS's answer is of this kind."""
        if self.text and not re.search(self.text, message, re.IGNORECASE):
            return False
        return code in self.codes if self.codes else bool(self.text)


_ANY_CODE: frozenset[str] = frozenset()


_BY_TEXT = (
    # RDS's own texts, as quoted in public issues of Terraform and in AWS's forum.
    _Kind(
        _ANY_CODE,
        ActionRequired,
        "AWS does not encrypt a replica of an unencrypted instance ({operation}: {message})",
        "Create the replica without a KMS key: rds-encrypt encrypts a copy of its snapshot instead",
        text="encrypted Read Replica from an unencrypted",
    ),
    _Kind(
        _ANY_CODE,
        ActionRequired,
        "AWS does not create a replica of an instance whose master password RDS manages ({operation}: {message})",
        f"Set a master password of your own for the duration of the migration, or use method `offline`, {_AGAIN}",
        text="ManageMasterUserPassword is enabled is not supported",
    ),
    _Kind(
        _ANY_CODE,
        Retryable,
        "it is being deleted ({operation}: {message})",
        f"Wait until it is gone, {_AGAIN}",
        text="is already being deleted",
    ),
    _Kind(
        _ANY_CODE,
        Retryable,
        "the instance is busy with something else ({operation}: {message})",
        f"Wait until it is available, {_AGAIN}",
        text="in-progress management operation|is not in available state|is not in the available state",
    ),
    _Kind(
        _ANY_CODE,
        ActionRequired,
        "it would have more tags than the 50 that AWS allows ({operation}: {message})",
        f"Remove some of its tags, {_AGAIN}",
        text=r"\b50 tags|too many tags|tag limit|maximum number of tags",
    ),
    _Kind(
        _ANY_CODE,
        ActionRequired,
        "AWS refused a tag ({operation}: {message})",
        f"Rename or remove that tag on the source, {_AGAIN}",
        text="reserved prefix",
    ),
    _Kind(
        _ANY_CODE,
        ActionRequired,
        "AWS neither stops nor starts an instance that is a replica or has replicas ({message})",
        f"Delete its replicas first, or leave it running (`cleanup.old: keep`), {_AGAIN}",
        text="Cannot stop or start a Read-?Replica|(has|with) (a )?read replicas?",
    ),
    _Kind(
        _ANY_CODE,
        ActionRequired,
        "the KMS key cannot be used ({operation}: {message})",
        f"Enable the key, and let its policy allow RDS and the caller to use it, {_AGAIN}",
        text="KMS key .*(does not exist|is not enabled|permissions? to access)",
    ),
)


_KINDS = (
    _Kind(
        frozenset(
            {
                "Throttling",
                "ThrottlingException",
                "ThrottledException",
                "RequestLimitExceeded",
                "RequestThrottled",
                "RequestThrottledException",
                "TooManyRequestsException",
                "PriorRequestNotComplete",
                "SlowDown",
            }
        ),
        Retryable,
        "AWS still throttles {operation} after several attempts ({code})",
        f"Wait a few minutes, or reduce other calls to AWS from this account, {_AGAIN}",
    ),
    _Kind(
        frozenset(
            {
                "AuthFailure",
                "ExpiredToken",
                "ExpiredTokenException",
                "InvalidClientTokenId",
                "InvalidSignatureException",
                "RequestExpired",
                "SignatureDoesNotMatch",
                "UnrecognizedClientException",
            }
        ),
        ActionRequired,
        "AWS does not accept the credentials ({operation}: {code})",
        f"Renew them, {_AGAIN}",
    ),
    _Kind(
        _DENIED,
        ActionRequired,
        "AWS refused {operation} ({message})",
        "Allow {operation} to the caller: rds_encrypt/policies/iam-policy.json lists everything that a migration needs",
    ),
    _Kind(
        frozenset(
            {
                "InvalidAction",
                "UnknownOperationException",
                "UnsupportedOperation",
                "UnsupportedOperationException",
            }
        ),
        ActionRequired,
        "this endpoint does not know {operation} ({code}: {message})",
        "Check `AWS_ENDPOINT_URL` and `aws:region`: RDS itself knows it, an older or local endpoint may not",
    ),
    _Kind(
        frozenset({"ResourceNotFoundException"}),
        ActionRequired,
        "it does not exist ({operation}: {message})",
        f"Correct its name in the config, or `aws:region`, {_AGAIN}",
    ),
    _Kind(
        frozenset(
            {
                "DBInstanceNotFound",
                "DBInstanceNotFoundFault",
                "DBSnapshotNotFound",
                "DBSnapshotNotFoundFault",
                "DBParameterGroupNotFound",
                "DBParameterGroupNotFoundFault",
            }
        ),
        ActionRequired,
        "it does not exist, or AWS does not list it yet ({operation}: {message})",
        f"Run `pulumi refresh` to see what is gone, {_AGAIN}",
    ),
    _Kind(
        frozenset({"InvalidDBSnapshotState", "InvalidDBSnapshotStateFault"}),
        Retryable,
        "the snapshot is busy with something else ({operation}: {message})",
        f"Wait until it is available, {_AGAIN}",
    ),
    _Kind(
        frozenset({"InvalidDBParameterGroupState", "InvalidDBParameterGroupStateFault"}),
        Retryable,
        "the parameter group is in use or being changed ({operation}: {message})",
        f"Wait until AWS has finished, {_AGAIN}",
    ),
    _Kind(
        frozenset({"InvalidDBInstanceState", "InvalidDBInstanceStateFault"}),
        Retryable,
        "the instance is busy with something else ({operation}: {message})",
        f"Wait until it is available, {_AGAIN}",
    ),
    _Kind(
        frozenset({"InsufficientDBInstanceCapacity", "InsufficientDBInstanceCapacityFault"}),
        Retryable,
        "AWS has no capacity for this class in the zones of its subnet group ({message})",
        f"Wait, or choose another class for the source, {_AGAIN}",
    ),
    _Kind(
        frozenset(
            {
                "InstanceQuotaExceeded",
                "InstanceQuotaExceededFault",
                "SnapshotQuotaExceeded",
                "SnapshotQuotaExceededFault",
                "StorageQuotaExceeded",
                "StorageQuotaExceededFault",
                "DBParameterGroupQuotaExceeded",
                "DBParameterGroupQuotaExceededFault",
                "RulesPerSecurityGroupLimitExceeded",
            }
        ),
        ActionRequired,
        "a quota of the account is used up ({operation}: {code})",
        f"Delete what you no longer need, or ask AWS for a higher quota, {_AGAIN}",
    ),
    _Kind(
        frozenset({"KMSKeyNotAccessibleFault", "DisabledException", "KMSInvalidStateException"}),
        ActionRequired,
        "the KMS key cannot be used ({operation}: {message})",
        f"Enable the key, and let its policy allow RDS and the caller to use it, {_AGAIN}",
    ),
)


_AWAY = _Kind(
    frozenset(),
    Retryable,
    "AWS could not carry out {operation} ({code})",
    f"Check whether AWS reports problems in this region, {_AGAIN}",
)


_ANYTHING = _Kind(
    frozenset(),
    ActionRequired,
    "{operation} failed with {code}: {message}",
    f"Correct what AWS objects to, {_AGAIN}",
)


def code_of(error: botocore.exceptions.ClientError) -> str:
    """Return AWS's error code."""
    return error.response.get("Error", {}).get("Code", "")


def denied(error: MigrationError) -> botocore.exceptions.ClientError | None:
    """Return AWS's refusal for a missing permission, if that is what the error comes from."""
    cause = error.__cause__
    return cause if isinstance(cause, botocore.exceptions.ClientError) and code_of(cause) in _DENIED else None


@contextmanager
def sorted_errors(where: str) -> Iterator[None]:
    """Turn botocore's errors into ours.

    Raises:
        Retryable: AWS was throttling or unreachable, or the resource was busy.
        ActionRequired: anything that another attempt will not change.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _classified(error, where) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.NoRegionError) as error:
        raise ActionRequired(
            f"rds-encrypt cannot call AWS: {error}",
            where=where,
            fix="Set a region (`pulumi config set aws:region …`) and credentials, as for any AWS tool",
        ) from error
    except botocore.exceptions.ProfileNotFound as error:
        raise ActionRequired(str(error), where=where, fix="Correct `aws:profile`") from error
    except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError) as error:
        raise Retryable(
            f"AWS could not be reached ({error})",
            where=where,
            fix="Check the network, then run the same command again",
        ) from error


def passes(error: Exception) -> bool:
    """Return whether an error would hit any call to AWS now, whatever the caller and the request: throttling, an outage, no network."""
    try:
        with sorted_errors(""):
            raise error
    except Retryable:
        return True
    except Exception:  # noqa: BLE001 - all others concern the caller or the request
        return False


def _classified(error: botocore.exceptions.ClientError, where: str) -> MigrationError:
    code = code_of(error)
    message = error.response.get("Error", {}).get("Message", "").rstrip(".")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    fallback = _AWAY if status >= 500 else _ANYTHING
    kind = next((candidate for candidate in (*_BY_TEXT, *_KINDS) if candidate.fits(code, message)), fallback)
    words = {"operation": error.operation_name, "code": code, "message": message}
    return kind.error(kind.what.format(**words), where=where, fix=kind.fix.format(**words))
