"""Runs all checks of a source: what blocks the phase, warnings and notes. Only a preview asks for the last two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import botocore.exceptions

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import DENIED, code_of
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.checks import of_account, of_caller, of_instance, of_key
from rds_encrypt.checks.context import CheckContext, Look
from rds_encrypt.checks.finding import Finding
from rds_encrypt.checks.of_mysql import of_mysql
from rds_encrypt.checks.preflight import Plan
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.mysql.session import Session
from rds_encrypt.needs import Need

__all__ = ["check_context", "findings"]

_THREADS = 4


def check_context(
    aws: Aws, plan: Plan, around: AccountInventory | None = None, fleet: tuple[Need, ...] = ()
) -> CheckContext | None:
    """Return the context of the checks, or ``None`` if the source has been replaced, or a cutover is under way."""
    topology = plan.topology
    ahead = plan.phase in {"replicate", "cutover"} and not topology.cutover_begun and not topology.returning
    if topology.source is None or not ahead:
        return None
    return CheckContext(aws, around or AccountInventory(aws), plan, topology.source, fleet)


def findings(context: CheckContext, session: Session | None, *, remarks: bool) -> list[Finding]:
    """Run all checks, on AWS and MySQL at the same time.

    Args:
        context: what to check.
        session: a session on the source, to check MySQL as well.
        remarks: whether to look for warnings and notes as well.
    """
    looks: list[Look] = []
    if context.fresh:
        looks += (*of_instance.OBSTACLES, *of_account.OBSTACLES)
    if context.fresh and remarks:
        looks += (*of_instance.REMARKS, *of_account.REMARKS, of_caller.permissions, of_key.key_policy)
    if remarks and (context.fresh or context.plan.phase == "cutover"):
        looks += (*of_instance.REMINDERS, *of_account.REMINDERS)
    with ThreadPoolExecutor(_THREADS) as pool:
        asked = [pool.submit(_carefully, look, context) for look in looks]
        told = of_mysql(context, session) if remarks and context.fresh and session is not None else []
        found: list[Finding] = []
        unseen: list[_Unseen] = []
        for answer in asked:
            result = answer.result()
            if isinstance(result, _Unseen):
                unseen.append(result)
            else:
                found += result
    return [*found, *told, *_not_looked(context, unseen)]


@dataclass(frozen=True)
class _Unseen:
    """A check that could not run: which, why, and what to do."""

    look: str
    why: str
    fix: str


_NOT_ALLOWED = "The statement LookAroundAtPreview of rds_encrypt/policies/iam-policy.json allows it; the migration works without it"


def _carefully(look: Look, context: CheckContext) -> list[Finding] | _Unseen:
    """Run a check; return its findings, or why it could not run."""
    name = look.__name__.replace("_", " ")
    try:
        return list(look(context))
    except MigrationError as error:
        cause = error.__cause__
        if isinstance(cause, botocore.exceptions.ClientError) and code_of(cause) in DENIED:
            return _Unseen(name, f"not allowed: {cause.operation_name}", _NOT_ALLOWED)
        return _Unseen(name, error.what, f"The migration works without it. {error.fix}".rstrip())


def _not_looked(context: CheckContext, unseen: Iterable[_Unseen]) -> Iterator[Finding]:
    """Yield one note for each remedy of the checks that could not run: only those that AWS denied name the IAM policy."""
    by_fix: dict[str, list[str]] = {}
    for each in unseen:
        by_fix.setdefault(each.fix, []).append(f"{each.look} ({each.why})")
    for fix, missed in by_fix.items():
        yield context.note(f"not checked: {', '.join(missed)}", fix=fix)
