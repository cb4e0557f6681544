"""The checks: what must hold before the fence may close. Each looks, and says in a clause what it saw."""

from __future__ import annotations

import time
from contextlib import suppress

from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover.checks_of_candidate import (
    candidate_binlog_retention,
    candidate_durable,
    candidate_read_only,
    events_and_triggers,
    replication_lag,
    verification_fresh,
)
from rds_encrypt.cutover.checks_of_instances import (
    dns_record,
    free_storage,
    instances_available,
    settings_match,
    volume_initialized,
)
from rds_encrypt.cutover.checks_of_primary import (
    fence_possible,
    no_fence_bypass,
    no_long_transaction,
    no_prepared_xa,
    no_running_ddl,
    primary_writable,
)
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.reading import Check, Reading
from rds_encrypt.cutover.timeline import CheckResult
from rds_encrypt.cutover.windows import backup_window, maintenance_window
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

CHECKS: dict[str, Check] = {
    "instances-available": instances_available,
    "fence-possible": fence_possible,
    "no-fence-bypass": no_fence_bypass,
    "no-prepared-xa": no_prepared_xa,
    "primary-writable": primary_writable,
    "no-long-transaction": no_long_transaction,
    "no-running-ddl": no_running_ddl,
    "replication-lag": replication_lag,
    "verification-fresh": verification_fresh,
    "candidate-read-only": candidate_read_only,
    "candidate-durable": candidate_durable,
    "events-and-triggers": events_and_triggers,
    "settings-match": settings_match,
    "candidate-binlog-retention": candidate_binlog_retention,
    "free-storage": free_storage,
    "dns-record": dns_record,
    "volume-initialized": volume_initialized,
    "maintenance-window": maintenance_window,
    "backup-window": backup_window,
}
"""All checks by name, in the order in which they are asked."""


def read(context: CutoverContext, primary: Session, candidate: Session) -> dict[str, Reading]:
    """Ask every check, all about the same moment, and note what they see."""
    now = context.still()
    found = {name: check(now, primary, candidate) for name, check in CHECKS.items()}
    context.timeline.read(CheckResult(name, reading.passed, reading.saw) for name, reading in found.items())
    return found


def require_passed(context: CutoverContext, primary: Session, candidate: Session) -> tuple[str, ...]:
    """Ask every check; return the failed ones that the config overrules, with what they saw.

    Raises:
        ActionRequired: at least one failed; nothing was touched.
    """
    _await_applied(context)
    failed = {
        name: reading.saw for name, reading in read(context, primary, candidate).items() if not reading.passed
    }
    stopping = [f"{name} ({saw})" for name, saw in failed.items() if name not in context.forced]
    if stopping:
        raise _failed(context, "; ".join(stopping))
    return tuple(f"{name}: {saw}" for name, saw in failed.items())


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
            done=lambda both: all(each.parameter_status != "applying" for each in both),
            describe=lambda both: "; ".join(f"{each.identifier}: {each.parameter_status}" for each in both),
            progress=context.progress,
        )


def require_steady(context: CutoverContext, primary: Session, candidate: Session) -> None:
    """Keep looking at the lag for a while: one look may have met a lucky moment between two long transactions.

    Raises:
        ActionRequired: it grew beyond its limit; nothing was touched.
    """
    name = "replication-lag"
    if name in context.forced or context.snapshot_coordinates is not None:
        return
    steady = context.limits.lag_steady
    began = time.monotonic()
    until(
        Wait(
            "the lag to be steady",
            where=context.names.source,
            deadline=2 * steady + 60,
            first=_LOOK,
            longest=_LOOK,
        ),
        lambda: replication_lag(context, primary, candidate),
        done=lambda seen: seen.passed and time.monotonic() - began >= steady,
        failed=lambda seen: None if seen.passed else _failed(context, f"{name} ({seen.saw})"),
        describe=lambda seen: f"watching the lag for {steady:.0f} s: {seen.saw}",
        progress=context.progress,
    )


def _failed(context: CutoverContext, what: str) -> ActionRequired:
    fix = "Mend that and run `pulumi up` again, or overrule a check in `cutover.force`"
    if context.direction.candidate_id != context.direction.encrypted_id:
        fix += (
            "; if it cannot be mended, set `phase` to `cutover` or `cleanup`, where production stays as it is"
        )
    return ActionRequired(
        f"the {context.direction.verb} did not begin, because of {what}",
        where=context.names.source,
        fix=fix,
        safe="Nothing was touched: applications write as before and replication goes on",
    )
