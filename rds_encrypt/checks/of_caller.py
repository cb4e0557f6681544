"""Checks whether the caller may do what a migration does, as far as IAM's simulator can tell.

The simulator gets each statement of rds_encrypt/policies/iam-policy.json with the resources and conditions of the migration. It does
not see session policies, permission boundaries of other accounts or key policies.
Source: "SimulatePrincipalPolicy" in the IAM API Reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rds_encrypt.check import Finding
from rds_encrypt.checks.context import CheckContext

__all__ = ["Question", "permissions", "principal", "questions"]

_POLICY = Path(__file__).resolve().parents[1] / "policies" / "iam-policy.json"
_OPTIONAL = ("LookAround", "KeepAFinalSnapshot", "LetRdsMonitor")
"""Statements that not every migration needs."""
_TRIED = ("ReadTheDatabaseAccount", "LookAtTheKey")
"""Statements that a preview tries directly, with the secret and the key of the config."""
_IF_STRATEGY = "IfStrategyIs"
"""In the names of statements, before the name of the strategy that needs them."""
_THREADS = 4


@dataclass(frozen=True)
class Question:
    """One question to the simulator: actions on one resource, under conditions."""

    actions: tuple[str, ...]
    resource: str
    condition: Mapping[str, str]


def permissions(context: CheckContext) -> Iterator[Finding]:
    """Ask IAM whether the caller may do everything that our policy allows."""
    who = principal(context.around.caller)
    if who is None:
        yield context.note(
            "the caller's permissions were not simulated", why="IAM simulates only those of users and roles"
        )
        return
    policy = json.loads(_POLICY.read_text(encoding="utf-8"))
    account = who.split(":")[4]
    asked = list(
        questions(
            policy,
            context.aws.region,
            account,
            context.name,
            key=context.plan.key,
            strategy=context.plan.strategy.name,
        )
    )

    def ask(question: Question) -> list[str]:
        return context.around.not_allowed(who, list(question.actions), question.resource, question.condition)

    with ThreadPoolExecutor(_THREADS) as pool:
        refused = sorted({action for answer in pool.map(ask, asked) for action in answer})
    if refused:
        yield context.warning(
            f"IAM's simulator says that {who} may not {', '.join(refused)}",
            why="a step that needs it would fail",
            fix="Attach rds_encrypt/policies/iam-policy.json to it; if it is attached already, find the policy that denies it",
        )


def principal(caller: str) -> str | None:
    """Return the user or role behind a caller's ARN, ``None`` for any other caller, such as root."""
    assumed = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.+", caller)
    if assumed is not None:
        return f"arn:{assumed[1]}:iam::{assumed[2]}:role/{assumed[3]}"
    return caller if re.fullmatch(r"arn:[^:]+:iam::\d+:(user|role)/.+", caller) else None


def questions(
    policy: Mapping[str, Any], region: str, account: str, identifier: str, *, strategy: str, key: str = ""
) -> Iterator[Question]:
    """Return what to ask for each statement: its first resource (or the key), and conditions under which it allows."""
    for statement in policy["Statement"]:
        sid = statement["Sid"]
        needed_by = sid.partition(_IF_STRATEGY)[2].lower() or strategy
        if sid.startswith((*_OPTIONAL, *_TRIED)) or needed_by != strategy:
            continue
        actions = statement["Action"]
        resource = _concrete(statement["Resource"], region, account, identifier)
        yield Question(
            actions=(actions,) if isinstance(actions, str) else tuple(actions),
            # The caller's policy may be for this key only.
            resource=key if key and resource.startswith("arn:aws:kms:") else resource,
            condition=dict(_context(statement.get("Condition", {}), region)),
        )


def _concrete(resource: str | list[str], region: str, account: str, identifier: str) -> str:
    """Replace each star of the pattern with a name."""
    pattern = resource if isinstance(resource, str) else resource[0]
    if pattern == "*":
        return pattern
    parts = pattern.split(":", 5)
    parts[3], parts[4] = (
        filled if part == "*" else part for part, filled in zip(parts[3:5], (region, account), strict=True)
    )
    return ":".join(parts).replace("*", identifier)


def _context(condition: Mapping[str, Mapping[str, Any]], region: str) -> Iterator[tuple[str, str]]:
    for operator, keys in condition.items():
        for key, expected in keys.items():
            if operator != "Null":
                value = expected if isinstance(expected, str) else expected[0]
                yield key, value.replace("rds.*", f"rds.{region}").replace("*", "any")
            elif expected == "false" and key != "aws:TagKeys":
                yield key, "any"
