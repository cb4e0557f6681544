"""`python -m tests.chaos.procedure`: interrupt replicate, cleanup and destroy at every step, and see whether they come to their end."""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos.procedure.journey import journey
from tests.chaos.procedure.report import Report

_REPORT = Path("build/chaos.json")


def main() -> int:
    """Go through all phases on each engine, print what became of every point, and return 1 if one went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.procedure", description=__doc__)
    parser.add_argument(
        "--engine", action="append", choices=("8.0", "5.7", "9.7"), help="default: 8.0 and 5.7"
    )
    parser.add_argument("--seed", type=int, default=None, help="decides every point; printed")
    parser.add_argument(
        "--moments",
        type=int,
        default=1,
        choices=(1, 2, 3),
        help="of each step on each engine; the second engine has others than the first (%(default)s)",
    )
    parser.add_argument("--report", type=Path, default=_REPORT)
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    report = Report(seed)
    print(f"seed {seed}", flush=True)
    for turn, engine in enumerate(given.engine or ("8.0", "5.7")):
        print(f"MySQL {engine}", flush=True)
        with tempfile.TemporaryDirectory(prefix="rds-chaos-") as directory:
            for result in journey(
                Path(directory),
                engine=engine,
                dice=random.Random(seed),  # noqa: S311 - it must be the same again
                moments=given.moments,
                turn=turn,
                tell=lambda text: print(text, flush=True),
            ):
                report.results.append(result)
                report.write(given.report)
    print("\n" + report.table())
    print("\n" + report.summary())
    print(*(f"  !! {text}" for text in report.wrong), sep="\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
