"""The winning instance's channel: needless from the promotion on, and reset where that costs no outage.

A fence that holds and coordinates that are drained prove that nothing will come through it. To reset a running channel takes RDS two
seconds ("mysql.rds_reset_external_master" stops it and waits), which applications need not wait for.
"""

from __future__ import annotations

from foundation.errors import Cancelled, MigrationError
from migration.cutover.site import Site
from replication import channel
from replication.session import Session

__all__ = ["let_go", "reset"]


def let_go(site: Site) -> None:
    """Reset it while the names move; whatever keeps us from it now, it is tried again once the winning instance is open."""
    found = site.winning()
    if found.identifier == site.names.source or not found.available:
        return
    try:
        with site.access.session(found) as winning:
            reset(winning)
    except Cancelled:
        raise
    except MigrationError:
        return


def reset(winning: Session) -> None:
    """Let it follow nobody, if it follows anybody because of us."""
    status = channel.status(winning)
    if status is not None and status.ours:
        channel.detach(winning)
