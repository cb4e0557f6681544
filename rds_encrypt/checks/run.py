"""Runs the checks of a preview: what blocks the phase, warnings and notes. Only a preview asks for the last two."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from rds_encrypt.aws.errors import denied
from rds_encrypt.check import Check, Finding, Scope
from rds_encrypt.checks import registry
from rds_encrypt.checks.context import AwsCheck, CheckContext
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.mysql.session import Session

__all__ = ["findings", "mysql_findings", "obstacles"]

_THREADS = 4
_LIMIT = 3_000
"""Milliseconds that one query may take: information_schema of many thousand tables is slow on 5.7."""
_FENCED = "Production refuses writes meanwhile; `pulumi destroy` makes it writable and ends the migration"
"""What to say beside anything that keeps a run from lifting the fence of an interrupted one."""
_NOT_ALLOWED = "The statement LookAroundAtPreview of rds_encrypt/policies/iam-policy.json allows it; the migration works without it"


def obstacles(context: CheckContext) -> list[Finding]:
    """Run the checks of every run at the same time; return what blocks the phase."""
    checks = [check for check in registry.AWS if check.scope is Scope.EVERY_RUN]
    with ThreadPoolExecutor(len(checks)) as pool:
        answers = list(pool.map(lambda check: list(check.run(context)), checks))
    state = context.topology.state
    fenced = (state.fenced and not state.opened_again) or state.production_fenced
    return [
        replace(finding, safe=_FENCED) if fenced and not finding.safe else finding
        for answer in answers
        for finding in answer
    ]


def findings(context: CheckContext, session: Session | None, *, remarks: bool) -> list[Finding]:
    """Run the other checks, on AWS and MySQL at the same time; none once a cutover has begun.

    Args:
        context: what to check.
        session: a session on the source, to check MySQL as well.
        remarks: whether this is a preview, which asks for warnings and notes as well.
    """
    scopes = set(_scopes(context, remarks=remarks))
    with ThreadPoolExecutor(_THREADS) as pool:
        asked = [pool.submit(_carefully, check, context) for check in registry.AWS if check.scope in scopes]
        of_mysql = mysql_findings(context, session, scopes) if session is not None else []
        answers = [answer.result() for answer in asked]
    of_aws = [finding for answer in answers if isinstance(answer, list) for finding in answer]
    unseen = [answer for answer in answers if isinstance(answer, _Unseen)]
    return [*of_aws, *of_mysql, *_not_checked(context, unseen)]


def mysql_findings(context: CheckContext, session: Session, scopes: Collection[Scope]) -> list[Finding]:
    """Run the checks of MySQL that have one of the scopes; one that lacks a privilege or runs out of time becomes a note."""
    reported: list[Finding] = []
    checks = [check for check in registry.MYSQL if check.scope in scopes]
    if not checks:
        return reported
    session.execute("SET SESSION max_execution_time = %s", _LIMIT)
    try:
        for check in checks:
            try:
                reported += _accepted(check, check.run(context, session), context)
            except MigrationError as error:
                reported.append(context.note(f"{_words(check.name)}: {error.what}; not checked"))
    finally:
        session.execute("SET SESSION max_execution_time = 0")
    return reported


def _scopes(context: CheckContext, *, remarks: bool) -> Iterator[Scope]:
    """Yield the scopes that apply now, in addition to those of every run."""
    if remarks and context.plan.phase == "cleanup":
        yield Scope.CLEANUP
    if not context.ahead:
        return
    if context.fresh:
        yield Scope.BEFORE_COPY
    if context.fresh and remarks:
        yield Scope.FIRST_PREVIEW
    if remarks and (context.fresh or context.plan.phase == "cutover"):
        yield Scope.PREVIEW


@dataclass(frozen=True)
class _Unseen:
    """A check that could not run: which, why, and what to do."""

    check: str
    why: str
    fix: str


def _carefully(check: Check[AwsCheck], context: CheckContext) -> list[Finding] | _Unseen:
    """Run a check; return its findings, or why it could not run."""
    name = _words(check.name)
    try:
        return _accepted(check, check.run(context), context)
    except MigrationError as error:
        if refusal := denied(error):
            return _Unseen(name, f"not allowed: {refusal.operation_name}", _NOT_ALLOWED)
        return _Unseen(name, error.what, f"The migration works without it. {error.fix}".rstrip())


def _accepted(check: Check[Any], reported: Iterable[Finding], context: CheckContext) -> list[Finding]:
    """Return the findings of a check; what the config accepts has the next lower severity."""
    reason = context.plan.accept.get(check.name)
    return list(reported) if reason is None else [finding.accept(reason) for finding in reported]


def _not_checked(context: CheckContext, unseen: Iterable[_Unseen]) -> Iterator[Finding]:
    """Yield one note for each remedy of the checks that could not run: only those that AWS denied name the IAM policy."""
    by_fix: dict[str, list[str]] = {}
    for skipped in unseen:
        by_fix.setdefault(skipped.fix, []).append(f"{skipped.check} ({skipped.why})")
    for fix, missed in by_fix.items():
        yield context.note(f"not checked: {', '.join(missed)}", fix=fix)


def _words(name: str) -> str:
    return name.replace("-", " ")
