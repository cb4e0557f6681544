"""The command line: `python -m rds_encrypt.scan [--write FILE NAME…]`; only reads from AWS."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.core.errors import MigrationError, PreconditionFailed
from rds_encrypt.scan import config, table
from rds_encrypt.scan.candidates import candidates

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """List the instances and write a config on request; return 1 if a named one cannot be migrated, 2 if AWS cannot be queried."""
    options = _parser().parse_args(arguments)
    aws = Aws(AwsSettings(region=options.region, profile=options.profile))
    try:
        checked = candidates(aws, options.names)
        print(table.rendered(checked, aws.region, details=options.details or bool(options.names)), end="")
        if options.write is None:
            return int(bool(options.names) and any(candidate.blocking for candidate in checked))
        chosen = [candidate for candidate in checked if not candidate.blocking]
        text = config.rendered([candidate.identifier for candidate in chosen], aws.region, options.kms_key)
        _write(options.write, text)
    except MigrationError as error:
        print(f"scan: {error}", file=sys.stderr)
        return 2
    print(
        f"\nWrote {options.write} with {len(chosen)} of {len(checked)} instances."
        " Fill in `credentials`, then run `pulumi preview`."
    )
    return int(len(chosen) < len(checked) and bool(options.names))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rds_encrypt.scan",
        description="List a region's unencrypted RDS for MySQL instances, with what blocks their encryption."
        " Reads from AWS only; a stack's preview also reads from MySQL.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these instances (default: all)")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"), help="default: the environment's")
    parser.add_argument("--profile", help="AWS profile to use")
    parser.add_argument("--details", action="store_true", help="show warnings and notes in full")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="write a stack config (Pulumi.NAME.yaml) for the instances that nothing blocks",
    )
    parser.add_argument(
        "--kms-key", default="alias/aws/rds", help="KMS key in that config (default: %(default)s)"
    )
    return parser


def _write(file: Path, text: str) -> None:
    if file.exists():
        raise PreconditionFailed("this file exists", where=str(file), fix="Choose another name, or move it")
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
