"""Secrets Manager: reads a database account, and stores nothing of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.core.errors import ActionRequired

__all__ = ["Account", "read_account"]


@dataclass(frozen=True)
class Account:
    """A database account in the format of RDS's secrets."""

    username: str | None
    password: str = field(repr=False)
    instance: frozenset[str] = frozenset()
    """The address and the name of an instance, as far as the secret has them (`host`, `dbInstanceIdentifier`)."""


def read_account(aws: Aws, secret_id: str) -> Account:
    """Read ``{"username": …, "password": …}`` from the secret; the user name may be missing.

    Raises:
        ActionRequired: the secret is missing, unreadable, or not in that format.
    """
    with sorted_errors(f"secret {secret_id}"):
        text = aws.secrets.get_secret_value(SecretId=secret_id).get("SecretString", "")
    try:
        content = json.loads(text)
        named = (content.get(key) for key in ("host", "dbInstanceIdentifier"))
        return Account(
            content.get("username"), content["password"], frozenset(str(name) for name in named if name)
        )
    except (ValueError, AttributeError, TypeError, KeyError):
        # `from None`: the chained error could quote the secret's text.
        raise ActionRequired(
            "the secret is not JSON with a `password`",
            where=f"secret {secret_id}",
            fix='Store {"username": "…", "password": "…"} as RDS does',
        ) from None
