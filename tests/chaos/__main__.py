"""`python -m tests.chaos`: interrupt cutovers and rollbacks until the world gives in, or the count is reached."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.report import sentences
from tests.chaos.schedule import run

_REPORT = Path("build/chaos-cutover.json")


def main() -> int:
    """Run trials, print what became of them, and return 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--interruptions", type=int, default=200, help="how many must strike (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="decides every trial; printed")
    parser.add_argument("--engine", default="8.0", choices=("8.0", "5.7", "9.7"))
    parser.add_argument("--fence", default="read_only", choices=("read_only", "accounts"))
    parser.add_argument("--strategy", default="rename", choices=("rename", "dns", "none"))
    parser.add_argument("--gtids", action="store_true", help="give the transactions GTIDs, and compare them")
    parser.add_argument(
        "--pulumi-every", type=int, default=16, help="trials between those through the engine"
    )
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many minutes")
    parser.add_argument("--first", type=int, default=1, help="number of the first trial, to repeat one")
    parser.add_argument("--directory", type=Path, help="where to keep servers and logs (default: nowhere)")
    parser.add_argument("--report", type=Path, default=_REPORT)
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    with _place(given.directory) as directory:
        report = run(
            directory,
            seed=seed,
            interruptions=given.interruptions,
            engine=given.engine,
            fence=given.fence,
            strategy=given.strategy,
            gtids=given.gtids,
            pulumi_every=given.pulumi_every,
            first=given.first,
            seconds=60 * given.minutes,
            tell=lambda text: print(text, flush=True),
            report_to=given.report,
        )
    report.write(given.report)
    print("\n" + report.table())
    print("\nWhat interrupted runs said:")
    for sentence, times in sentences(report.trials).most_common():
        print(f"  {times:3} × {sentence[:300]}")
    print("\n" + report.summary())
    print(*(f"  !! {text}" for text in report.wrong), sep="\n")
    return 1 if report.wrong else 0


@contextmanager
def _place(kept: Path | None) -> Iterator[Path]:
    """Yield a directory that is kept if the user named it."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="rds-chaos-") as directory:
        yield Path(directory)


if __name__ == "__main__":
    sys.exit(main())
