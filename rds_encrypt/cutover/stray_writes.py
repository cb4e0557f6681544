"""Stray writes: made to the instance that loses the name, after the last coordinates that production has.

The account fence cannot lock the account of rds-encrypt: a program that uses it as well can write until RDS restarts the instance
under its fence group. By then rds-encrypt cannot undo such a write, so it reports it.
"""

from __future__ import annotations

from rds_encrypt.core.errors import ActionRequired, OutcomeUnknown, Retryable
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.former_primary import Unreachable
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.coordinates import Coordinates, schema_written_since
from rds_encrypt.mysql.session import Session

__all__ = ["stray_write"]


def stray_write(context: CutoverContext, left: Session | Unreachable) -> str:
    """Warn of a write that production does not have, before reverse replication adds production's own.

    Returns:
        Why the instance cannot follow production, as a clause; empty if it has no such write, or cannot be asked.
    """
    noted = context.candidate().tags.get(Tag.PROMOTED_AT)
    if noted is None or isinstance(left, Unreachable):
        return ""
    final, name = Coordinates.parse(noted), context.primary_name
    try:
        schema = schema_written_since(left, final)
    except (ActionRequired, OutcomeUnknown, Retryable) as error:
        context.warn(f"rds-encrypt could not confirm that the fence of {name} held to the end ({error.what})")
        return ""
    if schema is None:
        return ""
    context.warn(
        f"{name} has writes that production does not have: an account that the fence does not stop wrote to schema `{schema}`"
        f" after {final}. List them with `mysqlbinlog --read-from-remote-server --verbose --start-position={final.position}"
        f" --to-last-log {final.file}` on {name}, and repeat in production those that count"
    )
    return f"{name} has writes to schema `{schema}` that production does not have"
