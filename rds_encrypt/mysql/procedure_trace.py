"""Records each call of a stored procedure for a rehearsal, if RDS_ENCRYPT_PROCEDURE_TRACE names a file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rds_encrypt.core.errors import MigrationError

__all__ = ["TRACE", "traced"]

TRACE = "RDS_ENCRYPT_PROCEDURE_TRACE"
"""The environment variable that names the file; `rds_encrypt.rehearse.observations` describes its lines, of kind ``procedure``."""


@dataclass
class Answer:
    """What the procedure reported; an error's text takes its place."""

    text: str = ""


@contextmanager
def traced(server: str, procedure: str) -> Iterator[Answer]:
    """Record how long a call took and how it ended, never its arguments, which may hold a password."""
    answer, ok, begun = Answer(), True, time.monotonic()
    try:
        yield answer
    except MigrationError as error:
        answer.text, ok = error.what, False
        raise
    finally:
        if path := os.environ.get(TRACE):
            line = {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "kind": "procedure",
                "server": server,
                "procedure": procedure,
                "seconds": round(time.monotonic() - begun, 3),
                "ok": ok,
                "answer": answer.text,
            }
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
