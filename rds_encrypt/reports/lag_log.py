"""Logs the encrypted instance's lag at each poll, from its first catch-up to the cutover, for the curve in the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rds_encrypt.mysql.lag import Lag
from rds_encrypt.reports.files import Files

__all__ = ["FILE", "LagLog"]

FILE = "lag.json"
_KEPT = 600
"""Polls in the file: as many as a curve has points on a page. Beyond that, every second one is dropped."""
_PAUSE = 5.0
"""Seconds between two writes of the file, so that a short wait does not write at each poll."""


class LagLog:
    """Records polls after those of earlier runs; ``close`` writes the last ones.

    Args:
        files: the source's files.
        encrypted_id: the encrypted instance; polls of another one, from an earlier migration, are dropped.
        clock: returns the time.
    """

    def __init__(
        self, files: Files, encrypted_id: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._files = files
        self._encrypted_id = encrypted_id
        self._clock = clock
        former = files.read_json(FILE) or {}
        self._looks: list[Any] = list(former["looks"]) if former.get("encrypted") == encrypted_id else []
        self._written = 0.0
        self._possible = True

    def add(self, lag: Lag) -> None:
        """Record a poll: its time, seconds behind (if MySQL knows), bytes behind."""
        when = self._clock().isoformat(timespec="milliseconds")
        self._looks.append([when, lag.status.seconds_behind, lag.bytes])
        if len(self._looks) > _KEPT:
            self._looks = [*self._looks[:-1:2], self._looks[-1]]
        if time.monotonic() - self._written > _PAUSE:
            self.close()

    def close(self) -> None:
        """Write the recorded polls; a file that cannot be written causes one warning."""
        self._written = time.monotonic()
        if self._possible:
            content = {
                "identifier": self._files.identifier,
                "encrypted": self._encrypted_id,
                "looks": self._looks,
            }
            self._possible = self._files.write_json(FILE, content) is not None
