"""Clients that the steps and checks of one command share: boto3 takes longer to make one than to use it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock

from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.inventory import AccountInventory

__all__ = ["Clients", "shared_clients"]

_LASTS = 60.0
"""Seconds: a step of `pulumi up` may run hours after another and must see current credentials and quotas."""


@dataclass(frozen=True)
class Clients:
    """AWS and the account inventory, which all sources share."""

    aws: Aws
    around: AccountInventory
    made_at: float = field(default_factory=time.monotonic)

    @property
    def fresh(self) -> bool:
        """Whether steps may still share them."""
        return time.monotonic() - self.made_at < _LASTS


_made: dict[AwsSettings, Clients] = {}
_making = Lock()


def shared_clients(settings: AwsSettings) -> Clients:
    """Return this process's clients; replace those older than a minute."""
    with _making:
        clients = _made.get(settings)
        if clients is None or not clients.fresh:
            aws = Aws(settings)
            clients = _made[settings] = Clients(aws, AccountInventory(aws))
        return clients
