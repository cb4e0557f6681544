"""The command line: `python -m dev.demo --engine 8.0`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from rich.console import Console

from dev.demo.drive import DIRECTORY, DemoFailed, Options, drive
from dev.demo.summary import show
from dev.demo.terminal import Terminal
from dev.sandbox import SandboxError
from dev.workload.workspace import ROOT
from rds_encrypt.rehearse.workspace import CommandFailed

__all__ = ["main"]

_BUILD = ROOT / "build"
_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return the exit code: 0 only if everything is as promised."""
    options = _options(arguments)
    console = Console(highlight=False)
    # Whoever ends us, or closes the terminal, gets the same orderly end as Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    terminal = Terminal(console, _BUILD)
    (_BUILD / "demo.json").unlink(missing_ok=True)
    try:
        report = drive(options, terminal)
    except KeyboardInterrupt:
        console.print("\nInterrupted: the writer, Pulumi and the sandbox are stopped.")
        return _INTERRUPTED
    except CommandFailed as error:
        terminal.bad(f"{error} {error.result.output.strip()}")
        return 1
    except (DemoFailed, SandboxError) as error:
        terminal.bad(str(error))
        return 1
    terminal.heading("Summary")
    show(console, report)
    _write(_BUILD / "demo.json", report.as_json())
    for sentence in report.broken_promises():
        terminal.bad(f"Not as promised: {sentence}.")
    if options.keep:
        _explain(terminal)
    return 1 if report.broken_promises() else 0


def _options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m dev.demo", description="Encrypt a running database, start to end."
    )
    parser.add_argument(
        "--engine", choices=("8.0", "5.7", "9.7"), default="8.0", help="MySQL version of the database"
    )
    parser.add_argument(
        "--gtids", action="store_true", help="give the transactions GTIDs, and compare both executed sets"
    )
    parser.add_argument(
        "--replicas", type=int, default=0, help="read replicas of the database, each with a reader"
    )
    parser.add_argument("--rows", type=int, default=200_000, help="at least so many rows in all")
    parser.add_argument("--keep", action="store_true", help="leave the sandbox running, to look around")
    given = parser.parse_args(arguments)
    return Options(
        engine=given.engine, gtids=given.gtids, replicas=given.replicas, rows=given.rows, keep=given.keep
    )


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _explain(terminal: Terminal) -> None:
    here = DIRECTORY.relative_to(ROOT)
    terminal.heading("The sandbox is still running")
    terminal.command(f". {here}/env.sh    # points this shell at it")
    terminal.command("pulumi stack --stack dev")
    terminal.command(f"pulumi preview --stack dev --config-file {here}/Pulumi.dev.yaml")
    terminal.command(f"python -m dev.sandbox down --directory {here}/sandbox    # stops it")


if __name__ == "__main__":
    sys.exit(main())
