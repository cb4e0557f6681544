"""The candidate's channel: not needed after the promotion, and reset where that costs no outage.

A fence that holds and drained coordinates prove that nothing more will come through it. RDS takes two seconds to reset a running
channel ("mysql.rds_reset_external_master" stops it and waits), and applications need not wait for that.
"""

from __future__ import annotations

from rds_encrypt.core.errors import Cancelled, MigrationError
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.session import Session

__all__ = ["let_go", "reset"]


def let_go(context: CutoverContext) -> None:
    """Reset it while the names move; if that fails, the protocol tries again once the candidate is open."""
    instance = context.candidate()
    if instance.identifier == context.names.source or not instance.serving:
        return
    try:
        with context.access.session(instance) as candidate:
            reset(candidate)
    except Cancelled:
        raise
    except MigrationError:
        return


def reset(candidate: Session) -> None:
    """Detach the candidate, if its channel is ours."""
    status = channel.status(candidate)
    if status is not None and status.ours:
        channel.detach(candidate)
