"""What may go wrong in the stand-in.

ProviderError           one sentence for the user, as the real provider words it
└── PartialFailure      the thing exists by now, but isn't as asked: the engine records it with the reason
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["PartialFailure", "ProviderError", "aws_error", "code_of"]


class ProviderError(Exception):
    """An operation failed."""


class PartialFailure(ProviderError):
    """An operation failed after the resource came into being."""

    def __init__(self, reason: str, *, identity: str, state: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.identity = identity
        self.state = dict(state)


def code_of(error: ClientError) -> str:
    """Give AWS's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def aws_error(doing: str, error: ClientError | BotoCoreError) -> ProviderError:
    """Word an AWS error as the real provider does: what was being done, to what, and AWS's code and message."""
    if not isinstance(error, ClientError):
        return ProviderError(f"{doing}: {error}")
    metadata = error.response.get("ResponseMetadata", {})
    details = error.response.get("Error", {})
    return ProviderError(
        f"{doing}: operation error RDS: {error.operation_name}, "
        f"https response error StatusCode: {metadata.get('HTTPStatusCode', 0)}, "
        f"RequestID: {metadata.get('RequestId', '')}, "
        f"api error {details.get('Code', '')}: {details.get('Message', '')}"
    )
