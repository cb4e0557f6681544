"""Commands of the sandbox in forks of one process that has everything imported: moto takes a second of CPU time to import.

That process forks for each line on its stdin, and ends with the process that writes them.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

__all__ = ["clean_environment", "fork", "main", "origin"]


def clean_environment() -> dict[str, str]:
    """A server must find this package, and must not become a client of another endpoint."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


@cache
def origin() -> subprocess.Popen[str]:
    """The process whose forks ours are."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from dev.sandbox.forks import main; main()"],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A Ctrl-C at the terminal is for us, who end it.
        start_new_session=True,
    )
    atexit.register(process.communicate)
    return process


def fork(arguments: Sequence[str], log: Path) -> int:
    """Run a command of `python -m dev.sandbox` in the background, and return its process id; it is not our child."""
    process = origin()
    request = {"arguments": list(arguments), "environment": clean_environment(), "log": str(log)}
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
    print(json.dumps(request), file=process.stdin, flush=True)
    return int(process.stdout.readline())


def main() -> None:
    """Fork until there is nobody left to ask for it."""
    from dev.sandbox import warm  # noqa: F401, PLC0415 - everything is imported here, and nowhere else

    gc.freeze()
    for line in sys.stdin:
        _reap()
        pid = os.fork()
        if pid == 0:
            _run(**json.loads(line))
        print(pid, flush=True)


def _reap() -> None:
    """Let go of the forks that have ended: until now their numbers were kept, for the process that asked for them."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(arguments: Sequence[str], environment: Mapping[str, str], log: str) -> NoReturn:
    from dev.sandbox.__main__ import main as command  # noqa: PLC0415 - it imports this module

    status = 1
    try:
        os.setsid()
        with Path(os.devnull).open("rb") as nothing, Path(log).open("wb") as written:
            for number, file in enumerate((nothing, written, written)):
                os.dup2(file.fileno(), number)
        os.environ.clear()
        os.environ.update(environment)
        status = command(list(arguments))
    except BaseException:  # noqa: BLE001 - a fork never returns into what it was forked off
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
