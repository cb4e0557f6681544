"""Obtain the tool chain: `python3 dev/tools/setup.py`, or `make setup`.

The Pulumi CLI with its Python language host, a virtual environment and the MySQL servers that are asked for, all into `.cache/`.
Runs again at no cost: what is there is left alone, what was interrupted is resumed. Needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

if sys.version_info < (3, 11):  # before the imports below, which need it
    sys.exit(
        f"Python 3.11 or newer is needed and this is {sys.version.split()[0]}: install it (`apt-get install python3.11`, "
        "`brew install python@3.11`), then run `make setup PYTHON=python3.11`."
    )

from toolchain.gobuild import go_sequence
from toolchain.packages import packages_sequence
from toolchain.paths import BIN, CACHE, VENV, shown
from toolchain.problems import SetupProblem
from toolchain.servers import servers_sequences
from toolchain.steps import Outcome, run_sequences
from toolchain.versions import Versions


def main() -> int:
    """Set up, and say how it went."""
    parser = argparse.ArgumentParser(description="Obtain the tool chain into .cache/.")
    parser.add_argument(
        "--own-only", action="store_true", help="ignore a pulumi or mysqld that is installed already"
    )
    parser.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="VERSION",
        help="get this MySQL server, too: 8.0 (the newest), 8.0.15, all",
    )
    parser.add_argument("--only-servers", action="store_true", help="nothing else")
    options = parser.parse_args()
    versions = Versions.pinned()
    began = time.monotonic()
    try:
        sequences = servers_sequences(versions, options.server, own_only=options.own_only)
    except SetupProblem as problem:
        parser.error(str(problem))
    if not options.only_servers:
        sequences = [go_sequence(versions, own_only=options.own_only), packages_sequence(), *sequences]
    print("Tool chain", flush=True)
    with _alone():
        outcomes = run_sequences(sequences)
    return _summarise(outcomes, time.monotonic() - began)


def _summarise(outcomes: list[Outcome], seconds: float) -> int:
    problems = [outcome for outcome in outcomes if outcome.problem is not None]
    if problems:
        print(f"\nThe tool chain is not complete after {seconds:.0f} s:", file=sys.stderr)
        for sentence in dict.fromkeys(outcome.said for outcome in problems):
            print(f"  - {sentence}", file=sys.stderr)
        print("Put that right and run `make setup` again: it goes on from here.", file=sys.stderr)
        return 1
    print(
        f"Tool chain ready in {seconds:.1f} s: programs in {shown(BIN)} and {shown(VENV / 'bin')}.",
        flush=True,
    )
    return 0


@contextmanager
def _alone() -> Iterator[None]:
    """One set-up at a time in this clone."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  another set-up is running in this clone: waiting for it to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted: `make setup` goes on from here.", file=sys.stderr)
        sys.exit(130)
