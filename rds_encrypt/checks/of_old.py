"""Check of the old instance: whether applications still use it, before phase `cleanup` stops or deletes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from rds_encrypt.aws.instance import Instance
from rds_encrypt.check import Finding, Severity
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.core.errors import ActionRequired, Cancelled, MigrationError
from rds_encrypt.mysql.connected_clients import Client, clients
from rds_encrypt.mysql.session import Session
from rds_encrypt.state import state_of

__all__ = ["keep_until", "outlived", "require_unused", "unused"]

_NAME = "old-unused"
_KEEP = "set `cleanup.old` to `keep`"
_WATCHED = 2.0
"""Seconds in which a client that reconnects for each statement is likely to be seen."""


def keep_until(production: Instance) -> datetime:
    """Return when production has automated backups for its whole retention period: until then old has the only earlier ones."""
    return state_of(encrypted=production).cut_over_at + timedelta(days=production.retention_days)


def outlived(context: CheckContext) -> Iterator[Finding]:
    """Production's own backups cover the whole retention period, if phase `cleanup` is to delete the old instance."""
    plan, topology = context.plan, context.topology
    production, old = topology.encrypted, topology.source
    if plan.phase != "cleanup" or plan.fate != "delete" or production is None or old is None:
        return
    if not topology.state.cut_over or old.status == "deleting":
        return
    day = keep_until(production)
    if datetime.now(day.tzinfo) < day:
        yield context.blocking(
            f"it has the only backups from before the cutover, which must be kept until {day:%Y-%m-%d}",
            where=old.identifier,
            fix="Set `cleanup.old` to `stop` until then",
            safe="Nothing was removed",
        )


def unused(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Applications that are still connected to the old instance."""
    if connected := clients(session):
        yield context.warning(
            _used(connected),
            why="phase `cleanup` ends its replication, and refuses to stop or delete it while it is in use",
            fix="Point them to the encrypted instance",
        )


def require_unused(
    old: str,
    open_session: Callable[[], AbstractContextManager[Session]],
    accept: Mapping[str, str],
    *,
    to: str = "the encrypted instance",
    otherwise: str = _KEEP,
) -> str | None:
    """Watch the old instance for two seconds; return what the config accepts, with its reason.

    Args:
        old: its name.
        open_session: opens a session on it.
        accept: the checks that need not pass, and why.
        to: where its clients belong.
        otherwise: what else the owner may do, as an imperative clause.

    Raises:
        ActionRequired: applications use it, or it does not tell.
    """
    try:
        with open_session() as session:
            connected = _seen_for_a_while(session)
    except Cancelled:
        raise
    except MigrationError as error:
        what = f"rds-encrypt cannot check whether applications use it ({error.what})"
    else:
        if not connected:
            return None
        what = _used(connected)
    if reason := accept.get(_NAME):
        return str(Finding(Severity.BLOCKING, what, old).accept(reason))
    raise ActionRequired(
        what,
        where=old,
        fix=f"Point its clients to {to} and run the same command again; or {otherwise}; or accept the check `{_NAME}` with a reason",
        safe="It was not touched",
    )


def _seen_for_a_while(session: Session) -> tuple[Client, ...]:
    by_origin: dict[tuple[str, str], Client] = {}
    end = time.monotonic() + _WATCHED
    while True:
        for client in clients(session):
            origin = (client.account, client.host)
            by_origin[origin] = max(client, by_origin.get(origin, client))
        if time.monotonic() > end:
            return tuple(sorted(by_origin.values()))
        time.sleep(0.1)


def _used(connected: tuple[Client, ...]) -> str:
    return f"applications are still connected to it: {', '.join(map(str, connected))}"
