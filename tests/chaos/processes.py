"""The processes of a command: plugins have process groups of their own, but stay in its session."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rds_encrypt.rehearse.workspace import session_of

__all__ = ["all_of", "command_of"]


def all_of(leader: int) -> list[int]:
    """Return the processes of a session, the leader first."""
    return [leader, *session_of(leader)]


def command_of(pid: int) -> str:
    """Return a process's command line; nothing if it has gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
