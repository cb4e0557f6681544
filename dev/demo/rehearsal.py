"""A rehearsal against the local RDS: `python -m dev.demo.rehearsal`; compares the account before and after, and the calls about `orders`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.demo import inventory
from dev.demo.inventory import Inventory
from dev.sandbox import Sandbox
from dev.sandbox.pulumi import pulumi_settings
from dev.sandbox.seed import Seeded, seed
from dev.workload import database
from dev.workload.workspace import ROOT
from rds_encrypt.rehearse.client import connected

__all__ = ["IDENTIFIER", "POLL", "Stage", "main"]

IDENTIFIER = "orders"
POLL = 0.3
"""Seconds between two polls: the local RDS is quick."""
_READS = ("Describe", "List", "Get")
_NAMING = ("DBInstanceIdentifier", "SourceDBInstanceIdentifier", "ResourceName")
_CONFIG = """\
config:
  aws:region: us-east-1
  rds-encrypt:phase: replicate
  rds-encrypt:sources:
    - identifier: {identifier}
      kmsKey: alias/{identifier}
      method: {method}
      caFile: {authorities}
      credentials:
        secretId: {identifier}/master
"""


@dataclass(frozen=True)
class Stage:
    """A local RDS with `orders` and an automated snapshot of it, and a directory for rehearsals."""

    sandbox: Sandbox
    seeded: Seeded
    directory: Path

    @classmethod
    @contextmanager
    def running(cls, directory: Path, *, engine: str, rows: int, method: str = "online") -> Iterator[Stage]:
        """Start one for the length of a ``with`` block."""
        with Sandbox.running(directory / "sandbox") as sandbox:
            seeded = seed(sandbox, engine=engine, rows=rows, identifier=IDENTIFIER)
            sandbox.faults.automated_backup(IDENTIFIER)
            config = _CONFIG.format(
                identifier=IDENTIFIER, method=method, authorities=seeded.ca_bundle.resolve()
            )
            (directory / "Pulumi.prod.yaml").write_text(config, encoding="utf-8")
            yield cls(sandbox, seeded, directory)

    @property
    def command(self) -> list[str]:
        """The command of a rehearsal, as a user types it."""
        return [
            *(sys.executable, "-m", "rds_encrypt.rehearse", IDENTIFIER),
            *("--config", str(self.directory / "Pulumi.prod.yaml")),
            *("--directory", str(self.directory / "rehearsal")),
            *("--poll", str(POLL)),
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which it runs: the local RDS in place of AWS."""
        foreign = ("AWS_", "PULUMI_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**inherited, **self.sandbox.settings(), **pulumi_settings(self.sandbox)}

    def rehearse(self, *options: str) -> int:
        """Run a rehearsal and return its exit code."""
        return subprocess.run(
            [*self.command, *options], cwd=ROOT, env=self.environment, check=False
        ).returncode

    def inventory(self) -> Inventory:
        """Return what the account holds."""
        master = self.seeded.master
        where = database.address(self.sandbox.client("rds"), IDENTIFIER, self.seeded.ca_bundle)
        with connected(where, master) as connection:
            return inventory.take(self.sandbox.client("rds"), self.sandbox.client("ec2"), connection)

    def changes_of_source(self, since: int) -> list[str]:
        """Return the actions on the source, among the calls from a number on, that do not only read."""
        return [
            call["action"]
            for call in self.sandbox.calls()[since:]
            if not call["action"].startswith(_READS) and _is_about_source(call["parameters"])
        ]


def _is_about_source(parameters: Mapping[str, Any]) -> bool:
    """Whether a call names the source, by identifier or ARN; its network may have the same name."""
    given = (str(value) for key, value in parameters.items() if key in _NAMING)
    return any(value.rpartition(":db:")[2] == IDENTIFIER for value in given)


def main(arguments: list[str] | None = None) -> int:
    """Run one rehearsal and return 0 only if everything is as promised."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo.rehearsal", description=__doc__)
    parser.add_argument("--engine", default="8.0")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--method", choices=("online", "offline"), default="online")
    parser.add_argument("options", nargs="*", help="passed on to the rehearsal, after --")
    given = parser.parse_args(arguments)
    directory = ROOT / ".cache" / "rehearsal"
    with Stage.running(directory, engine=given.engine, rows=given.rows, method=given.method) as stage:
        before, since = stage.inventory(), len(stage.sandbox.calls())
        code = stage.rehearse("--yes", *given.options)
        after = stage.inventory()
        findings = inventory.left_behind(before, after, ())
        findings += [f"{name} is gone" for name in inventory.missing(before, after)]
        findings += [f"{action} on {IDENTIFIER}" for action in stage.changes_of_source(since)]
    for finding in findings:
        print(f"Not as promised: {finding}.")
    if not findings:
        print(f"The account is as before, and every call about {IDENTIFIER} only read.")
    return code or int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
