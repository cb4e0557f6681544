"""What MySQL on the source tells, within seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from foundation.errors import MigrationError
from migration.cutover import account_fence
from migration.findings.finding import Finding
from migration.findings.scene import Scene
from replication import definitions, events, writes
from replication.session import Session

__all__ = ["of_mysql"]

_LIMIT = 3_000
"""Milliseconds that one question may take: information_schema of many thousand tables is slow on 5.7."""
_LONG = 60
"""Seconds after which a transaction is worth a word."""
_SHOWN = 5

Question = Callable[[Scene, Session], Iterable[Finding]]


def of_mysql(scene: Scene, session: Session) -> list[Finding]:
    """Ask everything; what cannot be answered, for lack of a privilege or of time, becomes a note."""
    found: list[Finding] = []
    with _hurried(session):
        for question in _QUESTIONS:
            try:
                found += question(scene, session)
            except MigrationError as error:
                found.append(
                    scene.note(f"{question.__name__.replace('_', ' ')}: {error.what}; not looked at")
                )
    return found


def binlog_format(scene: Scene, session: Session) -> Iterator[Finding]:
    """Statements that are not deterministic would have other results on the encrypted instance."""
    if str(session.value("SELECT @@GLOBAL.binlog_format")) == "STATEMENT":
        yield scene.warning(
            "its binlog_format is STATEMENT",
            why="a statement that is not deterministic has another result on the encrypted instance, and nothing notices",
            fix="Set it to ROW, or MIXED, in the parameter group before phase `replicate`",
        )


def primary_keys(scene: Scene, session: Session) -> Iterator[Finding]:
    """Tables in which each replicated change is a search."""
    if found := definitions.without_primary_key(session):
        yield scene.warning(
            f"{_counted(found, 'table')} without a primary key: {_some(found)}",
            why="each change to one may cost the encrypted instance a full scan, so a busy one may keep it from catching up",
            fix="Add keys where tables are large and written to",
        )


def definers(scene: Scene, session: Session) -> Iterator[Finding]:
    """Things that run with the rights of somebody who is not there."""
    if found := definitions.orphans(session):
        yield scene.warning(
            f"{_counted(found, 'definition')} with a definer who does not exist: {_some(found)}",
            why="they fail as they do today, and an event among them cannot be enabled on the encrypted instance",
            fix="Give them a definer who exists, or drop them",
        )


def scheduled_events(scene: Scene, session: Session) -> Iterator[Finding]:
    """Events, which are off on the copy."""
    enabled = [f"{each.schema}.{each.name}" for each in events.inventory(session) if each.enabled]
    if enabled:
        yield scene.note(
            f"{_counted(enabled, 'enabled event')}: {_some(enabled)}",
            why="they are off on the encrypted instance until the cut-over, and enabled there then; the output"
            " `unenabled_events` names those that only their definer may enable",
        )


def past_the_fence(scene: Scene, session: Session) -> Iterator[Finding]:
    """Accounts that `read_only` does not stop, where `read_only` is the fence."""
    if scene.accounts_because is not None:
        if reason := account_fence.obstacle(session):
            yield scene.warning(
                f"accounts are to be locked at the cut-over, but {reason}",
                why="guard `fence-possible` will be red until that ends",
                fix="See to it before the cut-over, or give the instance a parameter group of its own",
            )
    elif found := writes.unfenceable_accounts(session):
        yield scene.warning(
            f"read_only does not stop {_some(found)}",
            why="they have SUPER or CONNECTION_ADMIN, so guard `nobody-slips-past` will be red",
            fix="Revoke that, or lock the accounts, before the cut-over",
        )


def transactions(scene: Scene, session: Session) -> Iterator[Finding]:
    """Transactions that have been open for long."""
    if found := writes.long_transactions(session, _LONG):
        yield scene.note(
            f"transactions have been open for more than {_LONG} s: {_some(found)}",
            why="they do not hinder the copy; at the cut-over, guard `no-long-transaction` stops for them",
        )


_QUESTIONS: tuple[Question, ...] = (
    binlog_format,
    primary_keys,
    definers,
    scheduled_events,
    past_the_fence,
    transactions,
)


@contextmanager
def _hurried(session: Session) -> Iterator[None]:
    session.execute("SET SESSION max_execution_time = %s", _LIMIT)
    try:
        yield
    finally:
        session.execute("SET SESSION max_execution_time = 0")


def _counted(found: list[str], what: str) -> str:
    return f"it has {len(found)} {what}{'s' if len(found) > 1 else ''}"


def _some(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{more}"
