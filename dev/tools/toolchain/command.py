"""Running other programs: output into a log, and a failed connection told apart from a failed build."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolchain.paths import LOGS
from toolchain.problems import StepFailed

__all__ = ["ask", "run"]

_NO_NETWORK = re.compile(
    r"name resolution|name or service not known|no such host|unknown host|could ?n[o']t resolve|network is unreachable"
    r"|connection refused|connection timed out|i/o timeout|connect timed out|newconnectionerror|proxyerror"
    r"|connection reset|max retries exceeded|no route to host|from versions: none",
    re.IGNORECASE,
)


def run(
    step: str,
    command: Sequence[str | Path],
    *,
    doing: str,
    offline: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run one command of a step.

    `doing` names it in an error ("Building the Pulumi CLI"); `offline` is the sentence for when the network is what
    failed.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{step}.log"
    words = [str(word) for word in command]
    with log.open("w") as output:
        output.write(f"$ {' '.join(words)}\n")
        output.flush()
        finished = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if finished.returncode == 0:
        return
    if _NO_NETWORK.search(log.read_text(errors="replace")):
        raise StepFailed(offline, log)
    raise StepFailed(f"{doing} failed with exit code {finished.returncode}.", log)


def ask(command: Sequence[str | Path]) -> str | None:
    """What a program says about itself, or None where it can't be run."""
    try:
        finished = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None
