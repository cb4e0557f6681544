"""The candidate's channel: needless from the promotion on, and reset where that costs no outage.

A fence that holds and coordinates that are drained prove that nothing will come through it. To reset a running channel takes RDS two
seconds ("mysql.rds_reset_external_master" stops it and waits), which applications need not wait for.
"""

from __future__ import annotations

from rds_encrypt.core.errors import Cancelled, MigrationError
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.session import Session

__all__ = ["let_go", "reset"]


def let_go(context: CutoverContext) -> None:
    """Reset it while the names move; whatever keeps us from it now, it is tried again once the candidate is open."""
    found = context.candidate()
    if found.identifier == context.names.source or not found.available:
        return
    try:
        with context.access.session(found) as candidate:
            reset(candidate)
    except Cancelled:
        raise
    except MigrationError:
        return


def reset(candidate: Session) -> None:
    """Let it follow nobody, if it follows anybody because of us."""
    status = channel.status(candidate)
    if status is not None and status.ours:
        channel.detach(candidate)
