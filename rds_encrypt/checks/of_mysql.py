"""Checks of MySQL on the source, within seconds."""

from __future__ import annotations

from collections.abc import Iterator

from rds_encrypt.check import Finding
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.core.words import counted, gib
from rds_encrypt.cutover import account_fence
from rds_encrypt.mysql import definitions, events, privileges, writes
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.session import Session

__all__ = [
    "account",
    "binlog_format",
    "definers",
    "delay_of_replicas",
    "memory_tables",
    "past_the_fence",
    "primary_keys",
    "replicates_itself",
    "scheduled_events",
    "settings",
    "transactions",
]

_FLUSH = "innodb_flush_log_at_trx_commit"

_LONG = 60
"""Seconds after which a transaction is worth a note."""
_SHOWN = 5
_LARGE = 2**30 // 10
"""Bytes from which the size of a table is shown."""


def binlog_format(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Nondeterministic statements, which may have other results on the encrypted instance, and temporary tables that replicate."""
    logged = str(session.value("SELECT @@GLOBAL.binlog_format"))
    if logged == "STATEMENT":
        yield context.warning(
            "its binlog_format is STATEMENT",
            why="a nondeterministic statement may have another result on the encrypted instance, and nothing reports it",
            fix="Set it to ROW, or MIXED, in the parameter group before phase `replicate`",
        )
    if logged in dialect_of(session).temporary_tables_in and (count := _temporary_tables(session)):
        yield context.warning(
            f"applications have {counted(count, 'temporary table')} open, which MySQL replicates with binlog_format {logged}",
            why="a replica that AWS makes while one is open lacks it, and replication stops with error 1146",
            fix="Set `binlog_format` to ROW in the parameter group, and let applications reconnect",
        )


def _temporary_tables(session: Session) -> int:
    return int(session.value("SELECT COUNT(*) FROM information_schema.innodb_temp_table_info") or 0)


def settings(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Server variables that make replication unreliable."""
    rows = session.rows(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('sync_binlog', 'binlog_row_image', 'unique_checks',"
        " 'innodb_flush_log_at_trx_commit')"
    )
    values = {str(row["Variable_name"]): str(row["Value"]) for row in rows}
    if values.get("sync_binlog", "1") != "1":
        yield context.warning(
            f"its sync_binlog is {values['sync_binlog']}",
            why="after a failover or a crash its binlog may end before what the encrypted instance has read: replication then"
            " stops with error 1236, and the copy must start over",
            fix="Set it to 1 in the parameter group before phase `replicate`",
        )
    if values.get(_FLUSH, "1") != "1":
        yield context.warning(
            f"its {_FLUSH} is {values[_FLUSH]}",
            why="in a failover or a crash it may lose changes that the replica and the encrypted instance have executed: they then have what"
            " production no longer has, and no verification finds it",
            fix="Set it to 1 in the parameter group before phase `replicate`",
        )
    if (image := values.get("binlog_row_image", "FULL").upper()) != "FULL":
        yield context.warning(
            f"its binlog_row_image is {image}",
            why="its binlog does not hold whole rows, so replication does not notice a row that differs, and in a table without a key it"
            " may change the wrong row",
            fix="Set it to FULL in the parameter group, and keep `verify` on",
        )
    if values.get("unique_checks", "ON").upper() in {"OFF", "0"}:
        yield context.warning(
            "its unique_checks is OFF",
            why="tables that were loaded this way may hold duplicates that the encrypted instance refuses: replication then stops with"
            " error 1062",
            fix="Set it to ON in the parameter group",
        )


def replicates_itself(context: CheckContext, session: Session) -> Iterator[Finding]:
    """A source that follows a server outside RDS: the fence does not stop what its channels write."""
    dialect = dialect_of(session)
    for row in session.rows(dialect.replica_status):
        if not (host := str(row.get(dialect.source_host) or "")):
            continue
        name = str(row.get("Channel_Name") or "")
        origin = f"{host}{f' (channel {name})' if name else ''}"
        if {"Yes", "Connecting"} & {row.get(dialect.io_running), row.get(dialect.sql_running)}:
            yield context.blocking(
                f"it replicates from {origin}, which RDS does not manage",
                why="the fence does not stop what this channel writes, and the encrypted instance would not follow that server after the"
                " cutover",
                fix=f"Stop and reset that replication first (CALL {dialect.reset_external}())",
            )
        else:
            yield context.warning(
                f"it has a stopped replication channel from {origin}",
                why="RDS may start it again after a reboot, and copies of the instance get it as well",
                fix=f"Reset it (CALL {dialect.reset_external}())",
            )


def delay_of_replicas(context: CheckContext, session: Session) -> Iterator[Finding]:
    """A delay that RDS gives to every new replica of the source."""
    delay = session.value("SELECT value FROM mysql.rds_configuration WHERE name = 'target delay'")
    if context.plan.method == "online" and int(delay or 0) > 0:
        yield context.warning(
            f"its configuration gives new replicas a delay of {delay} s (`target delay`)",
            why="the replica that the copy is made from would lag that far behind, and every comparison would wait for it",
            fix="Run CALL mysql.rds_set_configuration('target delay', 0) for the duration of the migration",
        )


def memory_tables(context: CheckContext, session: Session) -> Iterator[Finding]:
    """MEMORY tables, which lose their rows in every restore and reboot."""
    tables = [table for table in definitions.in_memory(session) if table.rows]
    if not tables:
        return
    names = [f"{table.name} ({counted(table.rows, 'row')})" for table in tables]
    follows = context.plan.method == "online"
    stops = "; if the source then changes or deletes one, replication in row format stops with error 1032"
    yield context.warning(
        f"{_counted(names, 'MEMORY table')} with rows: {_some(names)}",
        why="MEMORY tables are empty after every restore and reboot, so the encrypted instance does not have these rows"
        f"{stops if follows else ''}",
        fix="Convert them to InnoDB, or "
        f"{'empty them before phase `replicate` and ' if follows else ''}fill them again after the cutover",
    )


def primary_keys(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Tables without a primary key, in which each replicated change is a search."""
    if tables := definitions.without_primary_key(session):
        names = [f"{table.name}{_size(table.bytes)}" for table in tables]
        yield context.warning(
            f"{_counted(names, 'table')} without a primary key: {_some(names)}",
            why="each change to one may cost the encrypted instance a full scan, so a busy one may keep it from catching up, and one big"
            " DELETE may take hours",
            fix="Add keys where tables are large and written to",
        )


def account(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Global privileges that the account lacks, whether granted to itself or through a role."""
    granted = privileges.grants(session)
    missing = ", ".join(privileges.lacking(granted))
    lacks = ([f"{missing} on *.*"] if missing else []) + privileges.revoked(granted)
    if not lacks:
        return
    yield context.warning(
        f"the account {session.value('SELECT CURRENT_USER()')} lacks {'; '.join(lacks)}",
        why="a step that needs one would fail",
        fix="Use the instance's master user, or run rds_encrypt/policies/mysql-grants.sql for this account",
    )


def definers(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Definitions whose definer does not exist."""
    if orphans := definitions.orphans(session):
        yield context.warning(
            f"{_counted(orphans, 'definition')} whose definer does not exist: {_some(orphans)}",
            why="they fail as they do today, and events among them cannot be enabled on the encrypted instance",
            fix="Give them an existing definer, or drop them",
        )


def scheduled_events(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Enabled events, which are off on the copy."""
    enabled = [f"{event.schema}.{event.name}" for event in events.inventory(session) if event.enabled]
    if enabled:
        yield context.note(
            f"{_counted(enabled, 'enabled event')}: {_some(enabled)}",
            why="they are off on the encrypted instance until the cutover enables them; the output"
            " `unenabled_events` names those that only their definer may enable",
        )


def past_the_fence(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Accounts that `read_only` does not stop, where `read_only` is the fence."""
    if context.accounts_because is not None:
        if reason := account_fence.obstacle(session):
            yield context.warning(
                f"the cutover has to lock accounts, but {reason}",
                why="check `fence-possible` fails until that ends",
                fix="End it before the cutover, or give the instance its own parameter group",
            )
    elif accounts := writes.unfenceable_accounts(session):
        yield context.warning(
            f"read_only does not stop {_some(accounts)}",
            why="they have SUPER or CONNECTION_ADMIN, so check `no-fence-bypass` fails",
            fix="Revoke that, or lock the accounts, before the cutover",
        )


def transactions(context: CheckContext, session: Session) -> Iterator[Finding]:
    """Transactions that have been open for long."""
    if threads := writes.long_transactions(session, _LONG):
        yield context.note(
            f"transactions have been open for more than {_LONG} s: {_some(threads)}",
            why="they do not affect the copy; at the cutover, check `no-long-transaction` fails while they are open",
        )


def _counted(items: list[str], what: str) -> str:
    return f"it has {counted(len(items), what)}"


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{', '.join(items[:_SHOWN])}{more}"


def _size(octets: int) -> str:
    """Return the size of a table where it is large enough to matter."""
    return f" ({gib(octets)})" if octets >= _LARGE else ""
