"""Checks of the primary: whether the fence can close around it, and what would pass or delay the fence."""

from __future__ import annotations

from rds_encrypt.check import Finding, failed, passed
from rds_encrypt.cutover import account_fence
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.fence import ParameterGroupFence, group_cannot
from rds_encrypt.cutover.fences import fence_of
from rds_encrypt.mysql import writes
from rds_encrypt.mysql.session import Session

__all__ = [
    "fence_possible",
    "no_fence_bypass",
    "no_long_transaction",
    "no_prepared_xa",
    "no_running_ddl",
    "primary_writable",
]


def fence_possible(context: CutoverContext, primary: Session, _candidate: Session) -> Finding:
    """The parameter group can carry the fence, or else accounts can be locked."""
    instance, group = context.primary(), context.strategy.fence_group(context)
    if instance.parameter_group != group:
        return failed(f"{instance.identifier} does not run with parameter group {group}")
    reason = group_cannot(context.aws, group, instance, context.candidate())
    if reason is None:
        return passed(f"read_only can be set in parameter group {group}")
    if not context.strategy.may_lock_accounts:
        return failed(f"{reason}, and only strategy `rename` can do without")
    if trouble := account_fence.obstacle(primary):
        return failed(f"{reason}, so accounts are to be locked, but {trouble}")
    return passed(f"{reason}, so accounts will be locked")


def no_fence_bypass(context: CutoverContext, primary: Session, _candidate: Session) -> Finding:
    """No account may write in spite of `read_only`; one that is locked has no say."""
    if not isinstance(fence_of(context), ParameterGroupFence):
        return passed("all accounts will be locked")
    accounts = writes.unfenceable_accounts(primary)
    if accounts:
        return failed(f"read_only does not stop {', '.join(accounts)}")
    return passed("read_only stops every account")


def no_prepared_xa(_context: CutoverContext, primary: Session, _candidate: Session) -> Finding:
    """No XA transaction waits for its COMMIT, which would pass `read_only`."""
    count = writes.prepared_transactions(primary)
    if count:
        return failed(f"{count} prepared (XA) transactions wait for their COMMIT")
    return passed("none is prepared")


def primary_writable(context: CutoverContext, primary: Session, _candidate: Session) -> Finding:
    """Our account may do on the primary what will prove that the candidate is open; not in method ``offline``."""
    if context.snapshot_coordinates is not None:
        return passed("fenced since before its snapshot")
    if writes.refused(primary):
        return failed(f"{context.primary().identifier} refuses writes, and not because of us")
    return passed("a write by our account is accepted")


def no_long_transaction(context: CutoverContext, primary: Session, _candidate: Session) -> Finding:
    """No transaction has been open for long where the writes are."""
    limit = context.settings.long_transaction
    transactions = writes.long_transactions(primary, limit)
    if transactions:
        return failed(f"sessions have had a transaction open for long: {', '.join(transactions)}")
    return passed(f"no transaction is older than {limit} s")


def no_running_ddl(_context: CutoverContext, primary: Session, _candidate: Session) -> Finding:
    """No ALTER or the like runs, or waits for a lock that would make every writer wait with it."""
    changes = writes.definition_changes(primary, 1)
    if changes:
        return failed(f"sessions are changing definitions: {', '.join(changes)}")
    return passed("no session changes a table's definition")
