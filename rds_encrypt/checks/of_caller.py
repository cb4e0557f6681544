"""Whether the caller may do what a migration does, as far as IAM can say beforehand.

Each statement of rds_encrypt/policies/iam-policy.json is put to IAM's simulator with resources and conditions as they will be. That is a
simulation: session policies, permission boundaries of other accounts and key policies have a say of their own.
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

from rds_encrypt.checks.context import CheckContext
from rds_encrypt.checks.finding import Finding

__all__ = ["Question", "permissions", "principal", "questions"]

_POLICY = Path(__file__).resolve().parents[1] / "policies" / "iam-policy.json"
_OPTIONAL = ("LookAround", "KeepAFinalSnapshot", "LetRdsMonitor")
"""Statements that not every migration needs."""
_TRIED = ("ReadTheDatabaseAccount", "LookAtTheKey")
"""Statements that a preview tries out for itself, with the secret and the key of the config."""
_DNS = "IfStrategyIsDns"
_THREADS = 4


@dataclass(frozen=True)
class Question:
    """What is put to the simulator: some actions on one resource, under conditions."""

    actions: tuple[str, ...]
    resource: str
    condition: Mapping[str, str]


def permissions(context: CheckContext) -> Iterator[Finding]:
    """Ask IAM whether the caller may do everything that the policy in the docs allows."""
    who = principal(context.around.caller)
    if who is None:
        yield context.note(
            "the caller's permissions were not simulated", why="IAM simulates those of users and roles only"
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
            dns=context.plan.strategy == "dns",
        )
    )

    def ask(question: Question) -> list[str]:
        return context.around.not_allowed(who, list(question.actions), question.resource, question.condition)

    with ThreadPoolExecutor(_THREADS) as pool:
        refused = sorted({action for answer in pool.map(ask, asked) for action in answer})
    if refused:
        yield context.warning(
            f"by IAM's simulation, {who} may not {', '.join(refused)}",
            why="a step that needs it would fail when it is reached",
            fix="Attach rds_encrypt/policies/iam-policy.json to it; if that is done already, see what else denies it",
        )


def principal(caller: str) -> str | None:
    """Return the user or role behind a caller's ARN, ``None`` for anybody else, such as root."""
    assumed = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.+", caller)
    if assumed is not None:
        return f"arn:{assumed[1]}:iam::{assumed[2]}:role/{assumed[3]}"
    return caller if re.fullmatch(r"arn:[^:]+:iam::\d+:(user|role)/.+", caller) else None


def questions(
    policy: Mapping[str, Any], region: str, account: str, identifier: str, *, dns: bool, key: str = ""
) -> Iterator[Question]:
    """Return what to ask for each statement: its first resource (or the key), and conditions under which it allows."""
    for statement in policy["Statement"]:
        sid = statement["Sid"]
        if sid.startswith((*_OPTIONAL, *_TRIED)) or (sid.endswith(_DNS) and not dns):
            continue
        actions = statement["Action"]
        resource = _concrete(statement["Resource"], region, account, identifier)
        yield Question(
            actions=(actions,) if isinstance(actions, str) else tuple(actions),
            # A policy may well be for this key only.
            resource=key if key and resource.startswith("arn:aws:kms:") else resource,
            condition=dict(_context(statement.get("Condition", {}), region)),
        )


def _concrete(resource: str | list[str], region: str, account: str, identifier: str) -> str:
    """Put a name where the pattern has a star."""
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
        for key, wanted in keys.items():
            if operator != "Null":
                value = wanted if isinstance(wanted, str) else wanted[0]
                yield key, value.replace("rds.*", f"rds.{region}").replace("*", "any")
            elif wanted == "false" and key != "aws:TagKeys":
                yield key, "any"
