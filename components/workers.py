"""Workers: the processes that carry out steps. Each serves a limited number at a time, so many sources need several.

A worker is an explicit provider. Engines before 3.150 replace a resource that changes its provider, and later ones do if the
provider asks for it; a step that has moved production's name must never depend on that. So a source's worker
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
    """Return the number of a source's worker; not by ``hash``, which differs between processes."""
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8]) % WORKERS + 1


class Workers:
    """The workers of a stack; one without sources is not declared and costs nothing."""

    def __init__(self, settings: AwsSettings) -> None:
        # A step reads these in `configure`: the stack's config reaches only the default provider.
        given = {"aws:region": settings.region, "aws:profile": settings.profile}
        self._given = {key: value for key, value in given.items() if value is not None}
        self._declared: dict[int, pulumi.ProviderResource] = {}

    def options_for(self, identifier: str) -> pulumi.ResourceOptions:
        """Return the options that assign the steps of a source to its worker: steps inherit it from their component."""
        number = worker_of(identifier)
        if number not in self._declared:
            self._declared[number] = pulumi.ProviderResource("pulumi-python", f"worker-{number}", self._given)
        return pulumi.ResourceOptions(providers=[self._declared[number]])
