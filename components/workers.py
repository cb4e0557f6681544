"""Workers: the processes that carry out steps. One serves only so many at a time, so many sources need several.

A worker is an explicit provider. A resource that changes its provider was replaced by every engine before 3.150, and is by a later
one if the provider asks for it: of a step that has moved production's name, nothing may ever depend on that. So a source's worker
depends on its identifier alone, and neither the number of workers nor how one is chosen may ever change
(docs/decisions/0014-workers-and-copy-slots.md).
"""

from __future__ import annotations

import hashlib
from typing import Final

import pulumi

from rds_encrypt.aws.clients import AwsSettings

__all__ = ["WORKERS", "Workers", "worker_of"]

WORKERS: Final = 4
"""Each takes some 60 MB, and 1.5 s of a processor to start, which a preview waits for."""


def worker_of(identifier: str) -> int:
    """Return the number of a source's worker; not by ``hash``, which is another in each process."""
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8]) % WORKERS + 1


class Workers:
    """The workers of a stack; one that no source is in is not declared, and costs nothing."""

    def __init__(self, settings: AwsSettings) -> None:
        # What a step looks for in `configure`: the stack's config reaches the default provider only.
        given = {"aws:region": settings.region, "aws:profile": settings.profile}
        self._given = {key: value for key, value in given.items() if value is not None}
        self._declared: dict[int, pulumi.ProviderResource] = {}

    def options_for(self, identifier: str) -> pulumi.ResourceOptions:
        """Return what puts the steps of a source into its worker: they take it from the component that they are in."""
        number = worker_of(identifier)
        if number not in self._declared:
            self._declared[number] = pulumi.ProviderResource("pulumi-python", f"worker-{number}", self._given)
        return pulumi.ResourceOptions(providers=[self._declared[number]])
