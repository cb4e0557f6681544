"""What can go wrong with a hosted server: one sentence each, with the end of the server's log where it helps."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MySQLNotInstalled", "MySQLServerError", "ServerDidNotStart", "tail"]


class MySQLServerError(Exception):
    """A hosted mysqld, or a request made of it, failed."""


class MySQLNotInstalled(MySQLServerError):
    """No mysqld of the requested version was found."""


class ServerDidNotStart(MySQLServerError):
    """mysqld ended, or did not accept connections in time."""

    def __init__(self, reason: str, log: Path) -> None:
        super().__init__(f"mysqld did not start: {reason}; the end of {log}:\n{tail(log)}")
        self.reason = reason
        self.log = log


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log that may not exist yet."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
