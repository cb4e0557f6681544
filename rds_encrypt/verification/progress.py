"""Progress of a comparison: percentage, speed and time left."""

from __future__ import annotations

import time

from rds_encrypt.core.waiting import Progress
from rds_encrypt.core.words import about

__all__ = ["ComparisonProgress"]


class ComparisonProgress:
    """Counts rows against an estimate, and reports to a progress receiver."""

    def __init__(self, estimated: int, progress: Progress) -> None:
        self._estimated = max(estimated, 1)
        self._progress = progress
        self._done = 0
        self._skipped = 0
        self._began = time.monotonic()

    def skip(self, rows: int) -> None:
        """Count rows of an earlier run, which do not affect the speed."""
        self._skipped += rows

    def add(self, rows: int) -> None:
        """Count compared rows, and report."""
        self._done += rows
        self._progress(str(self))

    def __str__(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-3)
        done = self._done + self._skipped
        # The server's estimate may be off by half: 100 % is never shown before the end.
        percent = min(99.0, 100 * done / self._estimated)
        speed = self._done / seconds
        left = max(self._estimated - done, 0) / speed if speed else 0
        return f"verifying {percent:.0f} %, {speed:,.0f} rows/s, {about(left)} left"
