"""The command line: `python -m rds_encrypt.rehearse NAME --config Pulumi.STACK.yaml`; only changes resources named `NAME-rehearsal…`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rds_encrypt.core.errors import MigrationError, PreconditionFailed
from rds_encrypt.rehearse import config
from rds_encrypt.rehearse.estimate import estimate
from rds_encrypt.rehearse.limits import Limits
from rds_encrypt.rehearse.lock import locked
from rds_encrypt.rehearse.outcome import outcome
from rds_encrypt.rehearse.rehearsal import Options, Rehearsal
from rds_encrypt.rehearse.workspace import CommandFailed

__all__ = ["main"]

_PROJECT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Rehearse, resume or remove; return 1 if it failed, 130 if it was interrupted."""
    given = _parser().parse_args(arguments)
    # A terminated rehearsal ends its command of Pulumi first, as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings, options, progress = config.read(given.config, given.name), _options(given), _progress()
        with locked(options.directory, progress) as lock:
            return _carry_out(Rehearsal(settings, options, progress, lock), given)
    except MigrationError as error:
        print(f"rehearse: {error}", file=sys.stderr)
    except CommandFailed as error:
        print(f"rehearse: {error}\n{error.result.output}", file=sys.stderr)
    except KeyboardInterrupt:
        print(
            "\nrehearse: interrupted. Continue with --resume, or remove everything with --remove: AWS bills the copy until then.",
            file=sys.stderr,
        )
        return 130
    return 1


def _carry_out(rehearsal: Rehearsal, given: argparse.Namespace) -> int:
    """Run all moves and remove the copy, or only the latter."""
    if given.remove:
        return _remove(rehearsal)
    limits = _limits(given.limit)
    if given.resume:
        rehearsal.require_begun()
    else:
        rehearsal.require_possible()
        if not _agreed(rehearsal, given):
            return 1
        rehearsal.begin()
    try:
        rehearsal.run()
    finally:
        # Also for an interrupted rehearsal: its measurements so far have cost money.
        for line in outcome(rehearsal, limits):
            print(line)
    return 0 if given.keep else _remove(rehearsal)


def _limits(changes: list[str]) -> Limits:
    try:
        return Limits().with_changes(changes)
    except ValueError as error:
        raise PreconditionFailed(str(error), where="--limit", fix="Give it as NAME=SECONDS") from None


def _remove(rehearsal: Rehearsal) -> int:
    removed = rehearsal.remove()
    print(f"Removed: {'; '.join(removed) or 'nothing, for nothing was left'}.")
    return 0


def _agreed(rehearsal: Rehearsal, given: argparse.Namespace) -> bool:
    for sentence in estimate(rehearsal.config, rehearsal.source, rehearsal.snapshot):
        print(sentence)
    if given.yes:
        return True
    if not sys.stdin.isatty():
        raise PreconditionFailed(
            "this is not a terminal, so nobody can agree", where="rehearsal", fix="Run it with --yes"
        )
    return input("Begin? Type yes: ").strip() == "yes"


def _options(given: argparse.Namespace) -> Options:
    return Options(
        # The program that Pulumi runs has another working directory.
        directory=(given.directory or Path("build") / f"rehearsal-{given.name}").resolve(),
        project=_PROJECT,
        snapshot=given.snapshot,
        small=given.small,
        every=given.poll,
    )


def _progress() -> Callable[[str], None]:
    """Return a function that prints a message with the time since the beginning, unless it repeats the last one."""
    begun, last = time.monotonic(), ""

    def progress(message: str) -> None:
        nonlocal last
        if message != last:
            print(f"{time.monotonic() - begun:7.0f} s  {message}", flush=True)
        last = message

    return progress


def _known_limits() -> str:
    return ", ".join(f"{name}={seconds:g}" for name, seconds in asdict(Limits()).items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rds_encrypt.rehearse",
        description="Rehearse the encryption of an instance on a copy of it: restore a snapshot, take the copy through all phases,"
        " measure, report, and remove the copy. Only describes the instance itself.",
    )
    parser.add_argument("name", metavar="NAME", help="the instance, a source in the config")
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="your stack's config, Pulumi.STACK.yaml"
    )
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument("--snapshot", metavar="ID", help="restore this one (default: the newest automated)")
    origin.add_argument("--small", action="store_true", help="use a new micro instance with generated data")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--resume", action="store_true", help="continue a rehearsal that was interrupted")
    what.add_argument("--remove", action="store_true", help="remove everything that a rehearsal made")
    parser.add_argument("--keep", action="store_true", help="do not remove the copy at the end")
    parser.add_argument("--yes", action="store_true", help="do not ask before it spends")
    parser.add_argument("--directory", type=Path, help="default: build/rehearsal-NAME")
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=SECONDS",
        help=f"how long RDS may take before the report calls it different: {_known_limits()}",
    )
    parser.add_argument(
        "--poll", type=float, default=2.0, metavar="SECONDS", help="between two polls of AWS (default: 2)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
