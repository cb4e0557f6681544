"""Checks of the maintenance and backup windows, and the minutes until one opens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from rds_encrypt.check import Finding, failed, passed
from rds_encrypt.core.words import about
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.mysql.session import Session

__all__ = [
    "backup_window",
    "maintenance_window",
    "minutes_until_backup",
    "minutes_until_maintenance",
]

_DAY = 24 * 60
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW_MARGIN = 30
"""Minutes before a maintenance or backup window in which a cutover had better not begin."""


def maintenance_window(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """Neither instance has a maintenance window that is open or about to be."""
    return _none_near(context, "Maintenance", minutes_until_maintenance, 7 * _DAY)


def backup_window(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """No automated backup runs or is about to: RDS accepts no rename of an instance while it is backed up.

    Source: "Viewing DB instance status" in the Amazon RDS User Guide (``backing-up``).
    """
    return _none_near(context, "Backup", minutes_until_backup, _DAY)


def _none_near(
    context: CutoverContext, kind: str, minutes_until: Callable[[str, datetime], int], period: int
) -> Finding:
    now, nearest = datetime.now(UTC), period
    for instance in (context.primary(), context.candidate()):
        window = str(instance.description.get(f"Preferred{kind}Window") or "")
        if not window or (kind == "Backup" and not instance.retention_days):
            continue
        minutes = minutes_until(window, now)
        if minutes < _WINDOW_MARGIN:
            return failed(
                f"the {kind.lower()} window of {instance.identifier} ({window} UTC) is near or open"
            )
        nearest = min(nearest, minutes)
    return passed(f"the next {kind.lower()} window opens in {about(60 * nearest)}")


def minutes_until_backup(window: str, now: datetime) -> int:
    """Return the minutes until a daily window such as ``03:10-03:40`` (UTC) opens; 0 while it is open."""
    start, end = (
        int(hour) * 60 + int(minute) for hour, minute in (at.split(":") for at in window.split("-"))
    )
    return _minutes_until(start, end, now.hour * 60 + now.minute, _DAY)


def minutes_until_maintenance(window: str, now: datetime) -> int:
    """Return the minutes until a weekly window such as ``sun:05:00-sun:06:00`` (UTC) opens; 0 while it is open."""
    start, end = (_minute_of_week(*edge.split(":")) for edge in window.split("-"))
    at = _minute_of_week(_DAYS[now.weekday()], str(now.hour), str(now.minute))
    return _minutes_until(start, end, at, 7 * _DAY)


def _minutes_until(start: int, end: int, at: int, period: int) -> int:
    """Return the minutes until a window that comes back every ``period`` minutes opens; 0 while it is open."""
    return 0 if (at - start) % period < (end - start) % period else (start - at) % period


def _minute_of_week(day: str, hour: str, minute: str) -> int:
    return (_DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)
