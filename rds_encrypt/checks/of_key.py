"""What the KMS key's own policy says: without it, what IAM allows is worth nothing.

RDS uses a key by way of a grant, which it lets the caller make ("AWS KMS key management" in the Amazon RDS User Guide).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from rds_encrypt.checks.context import CheckContext
from rds_encrypt.checks.finding import Finding
from rds_encrypt.checks.of_caller import principal

__all__ = ["key_policy"]

_NEEDED = "kms:CreateGrant"


def key_policy(context: CheckContext) -> Iterator[Finding]:
    """The key's policy leaves it to IAM, or names the caller."""
    policy = context.around.key_policy(context.plan.key) if context.plan.key else None
    if policy is None:
        return  # AWS's own key is there for whoever may use RDS
    caller = context.around.caller
    account = caller.split(":")[4]
    names = {"*", account, f"{caller.rpartition(':')[0].replace(':sts:', ':iam:')}:root", caller}
    names |= {who} if (who := principal(caller)) else set()
    if not any(_lets(statement, names) for statement in policy.get("Statement", [])):
        yield context.warning(
            f"the policy of key {context.plan.key} lets neither IAM in account {account} nor {who or caller} allow {_NEEDED}",
            why="RDS could not use the key, so the encrypted copy would fail",
            fix="Let the key's policy allow that, as the default one does (`aws kms get-key-policy`)",
        )


def _lets(statement: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether a statement allows one of them what is needed; its conditions are taken for fulfilled."""
    found = statement.get("Principal") or {}
    principals = _listed(found.get("AWS") if isinstance(found, dict) else found)
    return (
        statement.get("Effect") == "Allow"
        and any(fnmatchcase(_NEEDED.lower(), pattern.lower()) for pattern in _listed(statement.get("Action")))
        and not set(names).isdisjoint(principals)
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])
