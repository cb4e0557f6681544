"""Three tiny sources in one stack, one of which may be in trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev.bench.sources import Sources, make_sources
from dev.sandbox import Sandbox
from dev.workload.workspace import Workspace
from rds_encrypt.rehearse.workspace import Result
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["Fleet", "fleet_of"]

_SALT = "encryptionsalt:"
_PARALLEL = "32"


@dataclass
class Fleet:
    """The sources, the stack that migrates them, and everything that the CLI printed so far."""

    sandbox: Sandbox
    sources: Sources
    workspace: Workspace
    printed: list[Result] = field(default_factory=list, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.sources.names

    def configure(self, phases: dict[str, str], **stack: Any) -> None:
        """Write the stack's config: each source with a phase of its own, one copy at a time."""
        config: dict[str, Any] = {
            "aws:region": "us-east-1",
            "rds-encrypt:fleet": {"copiesAtOnce": 1},
            "rds-encrypt:sources": [
                self.sources.settings(name, phase=phase, cleanup={"old": "stop"})
                for name, phase in phases.items()
            ],
            **stack,
        }
        file = self.workspace.config_file
        salt = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith(_SALT)]
        # JSON is YAML.
        file.write_text("\n".join([*salt, f"config: {json.dumps(config)}", ""]), encoding="utf-8")

    def up(self, *options: str) -> Result:
        """Run `pulumi up` as somebody with many sources would, and return its result."""
        result = self.workspace.up("--skip-preview", "--continue-on-error", "--parallel", _PARALLEL, *options)
        self.printed.append(result)
        return result

    def good(self, result: Result) -> Result:
        assert result.ok, f"{' '.join(result.command)} ended with {result.returncode}:\n{result.output}"
        return result

    def import_state(self, state: str) -> None:
        """Replace the stack's state."""
        file = self.workspace.directory / "imported.json"
        file.write_text(state, encoding="utf-8")
        stack = self.workspace.stack
        self.good(self.workspace.run("stack", "import", "--force", "--file", str(file), "--stack", stack))

    def workers(self) -> dict[str, list[str]]:
        """Return the workers in the state, each with the names of the steps that run in it."""
        workers: dict[str, list[str]] = {}
        for resource in self.workspace.resources():
            if resource["type"].startswith("pulumi-python:dynamic/"):
                worker = resource["provider"].rpartition("::")[0].rpartition("::")[2]
                workers.setdefault(worker, []).append(resource["urn"].rpartition("::")[2])
        return workers

    def instance(self, identifier: str) -> dict[str, Any]:
        """Describe the instance of that name."""
        rds = self.sandbox.client("rds")
        description: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=identifier)[
            "DBInstances"
        ][0]
        return description

    def instances(self) -> set[str]:
        """Return the names of all instances."""
        instances = self.sandbox.client("rds").describe_db_instances()["DBInstances"]
        return {instance["DBInstanceIdentifier"] for instance in instances}


@contextmanager
def fleet_of(directory: Path, count: int) -> Iterator[Fleet]:
    """Run a sandbox with this many sources and an empty stack for the length of a ``with`` block."""
    with Sandbox.running(directory / "sandbox") as sandbox:
        sources = make_sources(sandbox, count)
        environment = {**sandbox.settings(), DIRECTORY: str(directory / "reports")}
        workspace = Workspace(directory / "workspace", environment=environment)
        workspace.create()
        yield Fleet(sandbox, sources, workspace)
