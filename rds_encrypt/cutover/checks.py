"""The checks: what must hold before the fence may close. Each looks, and says in a clause what it saw."""

from __future__ import annotations

import time
from contextlib import suppress

from rds_encrypt.check import Check, Finding, Scope, Severity
from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover import checks_of_candidate as candidate_checks
from rds_encrypt.cutover import checks_of_instances as instance_checks
from rds_encrypt.cutover import checks_of_primary as primary_checks
from rds_encrypt.cutover import strategies, windows
from rds_encrypt.cutover.context import CutoverCheck, CutoverContext
from rds_encrypt.cutover.timeline import CheckResult
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.session import Session

__all__ = [
    "CHECKS",
    "read",
    "require_passed",
    "require_steady",
]

_APPLY = 60.0
"""Seconds for RDS to bring changed parameters to an instance."""
_LOOK = 0.5
"""Seconds between two looks at a lag that is to be steady."""

_RUNS = {
    "instances-available": instance_checks.instances_available,
    "fence-possible": primary_checks.fence_possible,
    "no-fence-bypass": primary_checks.no_fence_bypass,
    "no-prepared-xa": primary_checks.no_prepared_xa,
    "primary-writable": primary_checks.primary_writable,
    "no-long-transaction": primary_checks.no_long_transaction,
    "no-running-ddl": primary_checks.no_running_ddl,
    "replication-lag": candidate_checks.replication_lag,
    "no-replication-filters": candidate_checks.no_replication_filters,
    "verification-fresh": candidate_checks.verification_fresh,
    "candidate-read-only": candidate_checks.candidate_read_only,
    "candidate-durable": candidate_checks.candidate_durable,
    "events-and-triggers": candidate_checks.events_and_triggers,
    "settings-match": instance_checks.settings_match,
    "candidate-binlog-retention": candidate_checks.candidate_binlog_retention,
    "free-storage": instance_checks.free_storage,
    "volume-initialized": instance_checks.volume_initialized,
    "maintenance-window": windows.maintenance_window,
}
_ALWAYS: tuple[CutoverCheck, ...] = tuple(
    Check(name, Scope.CUTOVER, Severity.BLOCKING, run) for name, run in _RUNS.items()
)
CHECKS = {check.name: check for check in (*_ALWAYS, *strategies.CHECKS)}
"""The checks of the cutover by name, in the order in which they run; `rds_encrypt.checks.registry` lists all checks."""


def read(context: CutoverContext, primary: Session, candidate: Session) -> dict[str, Finding]:
    """Run the checks that concern this cutover, all about the same moment, and note what they see."""
    now, concerned = context.still(), (*_ALWAYS, *context.strategy.checks())
    findings = {check.name: check.run(now, primary, candidate) for check in concerned}
    context.timeline.read(
        CheckResult(name, finding.passed, finding.what) for name, finding in findings.items()
    )
    return findings


def require_passed(context: CutoverContext, primary: Session, candidate: Session) -> tuple[str, ...]:
    """Ask every check; return the failed ones that the config accepts, with what they saw and the reason.

    Raises:
        ActionRequired: at least one failed; nothing was touched.
    """
    _await_applied(context)
    if context.snapshot_coordinates is None:
        with suppress(TimedOut):  # the check of the lag says why
            channel.resume(candidate, progress=context.progress)
    failed = {
        name: finding.what
        for name, finding in read(context, primary, candidate).items()
        if not finding.passed
    }
    stopping = [f"{name} ({saw})" for name, saw in failed.items() if name not in context.accept]
    if stopping:
        raise _failed(context, "; ".join(stopping))
    return tuple(f"{name}: {saw} (accepted: {context.accept[name]})" for name, saw in failed.items())


def _await_applied(context: CutoverContext) -> None:
    """Wait until RDS has brought changed parameters to both instances; the first check tells of one that never gets them.

    Lifting the fence of an interrupted attempt is such a change.
    """
    with suppress(TimedOut):
        until(
            Wait(
                "changed parameters to be in effect", where=context.names.source, deadline=_APPLY, longest=1.0
            ),
            context.both,
            done=lambda both: all(instance.parameter_status != "applying" for instance in both),
            describe=lambda both: "; ".join(
                f"{instance.identifier}: {instance.parameter_status}" for instance in both
            ),
            progress=context.progress,
        )


def require_steady(context: CutoverContext, primary: Session, candidate: Session) -> None:
    """Keep looking at the lag for a while: one look may have met a lucky moment between two long transactions.

    Raises:
        ActionRequired: it grew beyond its limit; nothing was touched.
    """
    name = "replication-lag"
    if name in context.accept or context.snapshot_coordinates is not None:
        return
    steady = context.settings.lag_steady
    began = time.monotonic()
    until(
        Wait(
            "the lag to be steady",
            where=context.names.source,
            deadline=2 * steady + 60,
            first=_LOOK,
            longest=_LOOK,
        ),
        lambda: CHECKS[name].run(context, primary, candidate),
        done=lambda finding: finding.passed and time.monotonic() - began >= steady,
        failed=lambda finding: None if finding.passed else _failed(context, f"{name} ({finding.what})"),
        describe=lambda finding: f"watching the lag for {steady:.0f} s: {finding.what}",
        progress=context.progress,
    )


def _failed(context: CutoverContext, what: str) -> ActionRequired:
    fix = "Fix that and run `pulumi up` again, or accept the check with a reason in `accept`"
    if not context.direction.forward:
        fix += (
            "; if you cannot fix it, set `phase` to `cutover` or `cleanup`, where production stays as it is"
        )
    return ActionRequired(
        f"the {context.direction.verb} did not begin, because of {what}",
        where=context.names.source,
        fix=fix,
        safe="Nothing was touched: applications write as before and replication goes on"
        if context.snapshot_coordinates is None
        else context.undone,
    )
