"""Waiting until a server that was just started can be talked to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pymysql

from dev.sandbox.mysql.errors import ServerDidNotStart

__all__ = ["await_ready"]

START_DEADLINE = 120.0
_INTERVAL = 0.03
_REFUSED = 1045


def await_ready(process: subprocess.Popen[bytes], attempt: Callable[[], None], log: Path) -> None:
    """Try until it works; mysqld's own end, a refused password or the deadline end the wait with an error."""
    end = time.monotonic() + START_DEADLINE
    while True:
        try:
            attempt()
        except (pymysql.err.OperationalError, FileNotFoundError) as error:
            if process.poll() is not None:
                raise ServerDidNotStart(f"it ended with status {process.returncode}", log) from error
            if error.args[0] == _REFUSED:
                raise ServerDidNotStart(
                    "rdsadmin was refused, so its first statements failed", log
                ) from error
            if time.monotonic() > end:
                raise ServerDidNotStart(f"no answer within {START_DEADLINE:.0f} s", log) from error
            time.sleep(_INTERVAL)
        else:
            return
