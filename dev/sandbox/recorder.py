"""The record of every call: one JSON object per line, with secrets masked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Recorder", "masked"]

# Names whose values are secrets wherever they stand. `SecretId` is a name of a secret, not a secret.
_SECRET = re.compile(
    r"password|secretstring|secretbinary|secretaccesskey|plaintext|ciphertextblob|token(?!s?code)|presignedurl|privatekey",
    re.IGNORECASE,
)
_MASK = "***"


def masked(value: Any, name: str = "") -> Any:
    """Return the value with every secret in it replaced."""
    if isinstance(value, Mapping):
        # A parameter of SSM is a secret when it says so.
        hides = value.get("Type") == "SecureString"
        return {k: _MASK if hides and k == "Value" else masked(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(item, name) for item in value]
    if _SECRET.search(name) and not isinstance(value, bool):
        return _MASK
    return value


class Recorder:
    """Appends calls to `calls.jsonl`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def record(
        self,
        *,
        caller: str,
        agent: str,
        service: str,
        action: str,
        parameters: Mapping[str, Any],
        status: int,
        error_code: str | None,
        ms: float,
    ) -> None:
        call = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "caller": caller,
            "agent": agent,
            "service": service,
            "action": action,
            "parameters": masked(parameters),
            "status": status,
            "error_code": error_code,
            "ms": round(ms, 1),
        }
        line = json.dumps(call, ensure_ascii=False, default=str)
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
