"""How long RDS keeps binlogs that nothing else holds.

Source: "mysql.rds_set_configuration" in the Amazon RDS User Guide: NULL means "as short as possible", at most 168 hours.
"""

from __future__ import annotations

from rds_encrypt.core.errors import ActionRequired, MigrationError, OutcomeUnknown
from rds_encrypt.mysql.session import Session

__all__ = ["MAXIMUM_HOURS", "read", "write"]

MAXIMUM_HOURS = 168
_NAME = "binlog retention hours"


def read(session: Session) -> int | None:
    """Return the retention in hours, ``None`` if RDS purges as soon as it can."""
    value = session.value("SELECT value FROM mysql.rds_configuration WHERE name = %s", _NAME)
    return None if value in (None, "") else int(value)


def write(session: Session, hours: int | None) -> None:
    """Set the retention in hours and confirm it.

    Raises:
        ActionRequired: the setting did not take.
    """
    if read(session) == hours:
        return
    error: MigrationError | None = None
    try:
        session.call("mysql.rds_set_configuration", _NAME, hours)
    except OutcomeUnknown as lost:
        # It may have taken: only a look can tell.
        session.reconnect()
        error = lost
    if read(session) != hours:
        raise error or ActionRequired(
            f"binlog retention did not become {hours} hours",
            where=f"MySQL at {session.endpoint}",
            fix="CALL mysql.rds_show_configuration and see what keeps it from changing",
        )
