"""KMS keys: resolves an id, an ARN or an alias."""

from __future__ import annotations

from dataclasses import dataclass

import botocore.exceptions

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import code_of, sorted_errors
from rds_encrypt.core.errors import PreconditionFailed

__all__ = ["Key", "resolve"]


@dataclass(frozen=True)
class Key:
    """A KMS key by its ARN, with the state AWS reports (``Enabled``, ``Disabled``, ``PendingDeletion``…)."""

    arn: str
    state: str
    symmetric: bool


def resolve(aws: Aws, reference: str) -> Key:
    """Find the key behind an id, an ARN or an alias, and check that RDS can encrypt with it.

    RDS answers with the key's ARN, so the next preview would replace a resource that was declared with an alias.

    Raises:
        PreconditionFailed: there is no such key, or it cannot encrypt.
    """
    with sorted_errors(f"KMS key {reference}"):
        try:
            metadata = aws.kms.describe_key(KeyId=reference)["KeyMetadata"]
        except botocore.exceptions.ClientError as error:
            if code_of(error) in {"NotFoundException", "InvalidArnException"}:
                raise PreconditionFailed(
                    f"KMS in {aws.region} has no such key",
                    where=f"kmsKey {reference}",
                    fix="Give the id, ARN or alias (`alias/…`) of a key in this region, or omit it to use `alias/aws/rds`",
                ) from error
            raise
    key = Key(
        arn=metadata["Arn"],
        state=metadata.get("KeyState", "Enabled"),
        symmetric=metadata.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT",
    )
    if key.state != "Enabled":
        raise PreconditionFailed(
            f"the key is {key.state}", where=f"kmsKey {reference}", fix="Enable it, or choose another"
        )
    if not key.symmetric:
        raise PreconditionFailed(
            "the key is asymmetric", where=f"kmsKey {reference}", fix="RDS needs a symmetric key"
        )
    return key
