"""Checks the KMS key's own policy: unless it agrees, IAM permissions have no effect.

RDS uses a key through a grant, which needs the caller's permission ("AWS KMS key management" in the Amazon RDS User Guide).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from rds_encrypt.check import Finding
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.checks.of_caller import principal

__all__ = ["key_policy"]

_NEEDED = "kms:CreateGrant"


def key_policy(context: CheckContext) -> Iterator[Finding]:
    """The key's policy delegates to IAM, or names the caller."""
    policy = context.around.key_policy(context.plan.key) if context.plan.key else None
    if policy is None:
        return  # every user of RDS may use AWS's own key
    caller = context.around.caller
    account = caller.split(":")[4]
    names = {"*", account, f"{caller.rpartition(':')[0].replace(':sts:', ':iam:')}:root", caller}
    names |= {who} if (who := principal(caller)) else set()
    if not any(_lets(statement, names) for statement in policy.get("Statement", [])):
        yield context.warning(
            f"the policy of key {context.plan.key} allows {_NEEDED} neither to IAM in account {account} nor to {who or caller}",
            why="RDS could not use the key, so the encrypted copy would fail",
            fix="Allow it in the key's policy, as the default one does (`aws kms get-key-policy`)",
        )


def _lets(statement: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether a statement allows one of them the needed action; its conditions count as fulfilled."""
    element = statement.get("Principal") or {}
    principals = _listed(element.get("AWS") if isinstance(element, dict) else element)
    return (
        statement.get("Effect") == "Allow"
        and any(fnmatchcase(_NEEDED.lower(), pattern.lower()) for pattern in _listed(statement.get("Action")))
        and not set(names).isdisjoint(principals)
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])
