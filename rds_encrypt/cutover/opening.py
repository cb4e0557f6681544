"""The end of the outage: the candidate accepts writes, if need be after a reboot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rds_encrypt.core.errors import TimedOut
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.mysql import writes
from rds_encrypt.mysql.session import Session

__all__ = ["opened_candidate"]

_APPLIED = 15.0
"""Seconds to wait for a parameter that RDS calls `in-sync`; no document says that one which arrives during a reboot is not lost."""


@contextmanager
def opened_candidate(context: CutoverContext) -> Iterator[Session]:
    """Yield a session on the candidate once it accepts writes. Its parameter group allows that already.

    A parameter that changes while RDS reboots the instance may not reach MySQL. The names have moved by then, so the way out is a
    reboot.

    Raises:
        TimedOut: it is still read-only after a reboot.
    """
    deadline = context.settings.max_write_outage
    with context.session_on_candidate() as candidate:
        if _accepts_writes(candidate, min(_APPLIED, deadline)):
            yield candidate
            return
    instance = context.candidate()
    if instance.available and instance.parameters_in_sync:
        context.progress(
            f"rebooting {instance.identifier}, which is read-only although its parameter group is in effect"
        )
        context.instances.reboot(instance.resource_id, deadline=context.deadlines.rename)
    with context.session_on_candidate() as candidate:
        writes.wait_until_writable(candidate, deadline=deadline)
        yield candidate


def _accepts_writes(candidate: Session, deadline: float) -> bool:
    try:
        writes.wait_until_writable(candidate, deadline=deadline)
    except TimedOut:
        return False
    return True
