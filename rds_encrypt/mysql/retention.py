"""How long RDS keeps binlogs that nothing else needs.

Source: "mysql.rds_set_configuration" in the Amazon RDS User Guide: NULL means "as short as possible", at most 168 hours.
"""

from __future__ import annotations

from rds_encrypt.core.errors import ActionRequired, MigrationError, OutcomeUnknown
from rds_encrypt.mysql.session import Session

__all__ = ["MAXIMUM_HOURS", "read", "write"]

MAXIMUM_HOURS = 168
_NAME = "binlog retention hours"


def read(session: Session) -> int | None:
    """Return the retention in hours, or ``None`` if RDS purges as soon as it can."""
    value = session.value("SELECT value FROM mysql.rds_configuration WHERE name = %s", _NAME)
    return None if value in (None, "") else int(value)


def write(session: Session, hours: int | None) -> None:
    """Set the retention in hours and confirm it.

    Raises:
        ActionRequired: RDS did not set it.
    """
    if read(session) == hours:
        return
    error: MigrationError | None = None
    try:
        session.call("mysql.rds_set_configuration", _NAME, hours)
    except OutcomeUnknown as lost:
        # RDS may have set it: only reading it shows.
        session.reconnect()
        error = lost
    if read(session) != hours:
        raise error or ActionRequired(
            f"RDS did not set binlog retention to {hours} hours",
            where=f"MySQL at {session.endpoint}",
            fix="CALL mysql.rds_show_configuration and find out what prevents the change",
        )
