"""A deployment: a sandbox with a seeded database, a stack of its own, and ways to look at both."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dev.sandbox import Sandbox
from dev.sandbox.seed import Seeded, seed, set_parameters
from dev.workload.database import address
from dev.workload.workspace import Workspace
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, Connection, connected
from rds_encrypt.rehearse.workspace import Result, session_of
from rds_encrypt.reports.files import DIRECTORY, Files
from tests.engine.rows import Row, read_rows
from tests.waiting import until

__all__ = ["HOSTILE", "IDENTIFIER", "ROWS", "Deployment", "driving", "kill_pulumi_of"]

IDENTIFIER = "orders"
ROWS = 2_000
HOSTILE = {
    "autocommit": "0",
    "completion_type": "CHAIN",
    "group_concat_max_len": "4",
    "innodb_lock_wait_timeout": "1",
    "interactive_timeout": "2",
    "lock_wait_timeout": "1",
    "max_execution_time": "1",
    "sql_mode": "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH",
    "sql_select_limit": "1",
    "time_zone": "US/Pacific",
    "wait_timeout": "2",
}
"""Parameters that owners do set, and that no session of ours may depend on."""
_OF_ENGINE = {
    # ANSI without ANSI_QUOTES, under which the scheduler of 5.7.22 cannot compile events: no owner has both. Nor PAD_CHAR_TO_FULL_LENGTH,
    # with which 5.7.22 reads the address of a channel wrongly after a restart.
    "5.7": {
        # RDS's default; on 5.7, temporary tables replicate with it.
        "binlog_format": "MIXED",
        "sql_mode": "PIPES_AS_CONCAT,IGNORE_SPACE,NO_BACKSLASH_ESCAPES",
        "tx_isolation": "SERIALIZABLE",
    },
    "8.0": {"binlog_format": "MIXED", "transaction_isolation": "SERIALIZABLE"},
    "9.7": {"transaction_isolation": "SERIALIZABLE"},
}
_SALT = "encryptionsalt:"
_POINT_OF_NO_RETURN = {
    "cutover": (Tag.CUTOVER_BEGAN, "Cutover orders creating"),
    "rollback": (Tag.ROLLBACK_BEGAN, "Rollback orders creating"),
}
"""The tag that records it, and the row of the step."""


@dataclass
class Deployment:
    """A seeded source, the stack that migrates it, and everything that the CLI printed so far."""

    sandbox: Sandbox
    seeded: Seeded
    workspace: Workspace
    printed: list[Result] = field(default_factory=list, repr=False)
    always: dict[str, Any] = field(default_factory=dict)
    """Settings of the source that every config of this deployment has."""

    # Config.

    def configure(self, phase: str | None = None, **source: Any) -> None:
        """Write the stack's config: one source that works, with the given settings changed; ``None`` leaves one out."""
        settings: dict[str, Any] = {
            "identifier": self.seeded.identifier,
            "kmsKey": f"alias/{self.seeded.identifier}",
            "caFile": str(self.seeded.ca_bundle.resolve()),
            "credentials": {"secretId": self.seeded.master_secret},
            **self.always,
            **source,
        }
        # Watching the lag costs seconds in each of some fifty cutovers; tests/engine/test_procedure.py uses the value that users get.
        settings["cutover"] = {"lagSteady": 0, **(settings.get("cutover") or {})}
        self.configure_plainly(phase, [{key: value for key, value in settings.items() if value is not None}])

    def configure_plainly(self, phase: str | None, sources: list[dict[str, Any]]) -> None:
        """Write the stack's config as it is given."""
        config: dict[str, Any] = {"aws:region": "us-east-1", "rds-encrypt:sources": sources}
        if phase is not None:
            config["rds-encrypt:phase"] = phase
        file = self.workspace.config_file
        salt = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith(_SALT)]
        # JSON is YAML.
        file.write_text("\n".join([*salt, f"config: {json.dumps(config)}", ""]), encoding="utf-8")

    # The CLI; each returns what was printed and fails the test if the command fails.

    def preview(self, *options: str) -> list[Row]:
        """Preview, and return the rows of the plan."""
        return read_rows(self._good(self.workspace.preview(*options)).output)

    def up(self, phase: str, **source: Any) -> Result:
        """Go to a phase."""
        self.configure(phase, **source)
        return self._good(self.workspace.up("--skip-preview"))

    def destroy(self, *options: str) -> Result:
        return self._good(self.workspace.destroy("--skip-preview", *options))

    def require_rest(self) -> None:
        """Require that there is nothing to do and nothing has drifted."""
        self._good(self.workspace.preview(expect_no_changes=True))
        self._good(self.workspace.refresh("--skip-preview", expect_no_changes=True))

    @property
    def files(self) -> Files:
        """The files that the program wrote for people."""
        return Files(self.seeded.identifier, directory=Path(self.workspace.environment[DIRECTORY]))

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the source."""
        outputs: dict[str, Any] = self.workspace.outputs()[self.seeded.identifier]
        return outputs

    def export_state(self) -> str:
        return self._good(self.workspace.run("stack", "export", "--stack", self.workspace.stack)).output

    def import_state(self, state: str) -> None:
        """Replace the stack's state, as somebody who restores an old backup would."""
        file = self.workspace.directory / "imported.json"
        file.write_text(state, encoding="utf-8")
        self._good(
            self.workspace.run(
                "stack", "import", "--force", "--file", str(file), "--stack", self.workspace.stack
            )
        )

    def killed_up(self, phase: str, row: str, reached: Callable[[], bool], **source: Any) -> Result:
        """Go to a phase and kill the CLI with all its plugins, as soon as ``row`` is shown and ``reached`` holds."""
        self.configure(phase, **source)
        row_shown = threading.Event()

        def listen(line: str) -> None:
            if row not in line or row_shown.is_set():
                return
            row_shown.set()
            try:
                until(reached, pause=0.02)
            finally:
                kill_pulumi_of(os.getpid())

        result = self.note(self.workspace.up("--skip-preview", listen=listen))
        assert result.returncode == -signal.SIGKILL, result.output
        # What every user of Pulumi does after a crash: remove the lock of the dead run.
        self._good(self.workspace.run("cancel", "--yes", "--stack", self.workspace.stack))
        return result

    def killed_behind_the_fence(
        self, reached: Callable[[], bool], phase: Literal["cutover", "rollback"] = "cutover"
    ) -> None:
        """Kill a phase before the names begin to move, however late the kill comes.

        That they begin is recorded first, and AWS refuses the record. One that is only late could arrive after the kill.
        """
        point, row = _POINT_OF_NO_RETURN[phase]
        self.sandbox.faults.throttle("AddTagsToResource", count=10_000, mentions=point)
        self.killed_up(phase, row, reached)
        self.sandbox.faults.clear()

    def note(self, result: Result) -> Result:
        """Keep what a command printed, whether it succeeded or not."""
        self.printed.append(result)
        return result

    def _good(self, result: Result) -> Result:
        self.note(result)
        assert result.ok, f"{' '.join(result.command)} ended with {result.returncode}:\n{result.output}"
        return result

    # AWS and MySQL.

    def client(self, service: str) -> Any:
        return self.sandbox.client(service)

    def instance(self, identifier: str) -> dict[str, Any]:
        """Describe the instance of that name."""
        description: dict[str, Any] = self.client("rds").describe_db_instances(
            DBInstanceIdentifier=identifier
        )["DBInstances"][0]
        return description

    def tags(self, identifier: str) -> dict[str, str]:
        """Return the tags of the instance of that name."""
        return {tag["Key"]: tag["Value"] for tag in self.instance(identifier)["TagList"]}

    def names(self) -> set[str]:
        """Return the names of all instances."""
        instances = self.client("rds").describe_db_instances()["DBInstances"]
        return {instance["DBInstanceIdentifier"] for instance in instances}

    def address(self, identifier: str) -> Address:
        return address(self.client("rds"), identifier, self.seeded.ca_bundle)

    @property
    def master(self) -> Credentials:
        return self.seeded.master

    @property
    def application(self) -> Credentials:
        return self.seeded.application

    @contextmanager
    def connected(self, identifier: str, *, application: bool = False) -> Iterator[Connection]:
        """Open a connection as the master user, or as the application."""
        account = self.application if application else self.master
        with connected(self.address(identifier), account, database=self.seeded.database) as connection:
            yield connection


@contextmanager
def driving(
    directory: Path, engine: str = "8.0", *, hostile: bool = False, gtids: bool = False
) -> Iterator[Deployment]:
    """Run a sandbox with a seeded source and an empty stack for the length of a ``with`` block.

    With ``hostile``, the source's parameter group sets everything that a session could depend on; with ``gtids``, `gtid-mode`.
    """
    with Sandbox.running(directory / "sandbox") as sandbox:
        seeded = seed(sandbox, engine=engine, rows=ROWS, identifier=IDENTIFIER, gtids=gtids)
        if hostile:
            _set(sandbox, seeded.identifier, {**HOSTILE, **_OF_ENGINE[engine]})
        # Several tests drive a source of this name: its reports must not end up in the checkout.
        environment = {**sandbox.settings(), DIRECTORY: str(directory / "reports")}
        workspace = Workspace(directory / "workspace", environment=environment)
        workspace.create()
        deployment = Deployment(sandbox, seeded, workspace)
        deployment.configure("replicate")
        yield deployment


def _set(sandbox: Sandbox, identifier: str, parameters: Mapping[str, str]) -> None:
    """Set parameters in the group of an instance, and wait until they are in effect."""
    rds = sandbox.client("rds")

    def group() -> dict[str, Any]:
        instance = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
        group_status: dict[str, Any] = instance["DBParameterGroups"][0]
        return group_status

    set_parameters(rds, group()["DBParameterGroupName"], parameters, "immediate")
    until(group, lambda status: status["ParameterApplyStatus"] == "in-sync")


def kill_pulumi_of(parent: int) -> None:
    """Kill every `pulumi` that a process started, with everything in its session.

    All are stopped before the first is killed: a step that sees its engine die undoes what it has begun, and an engine that
    sees a plugin die ends with a failure of its own.
    """
    leaders = [
        process.number for process in _processes() if process.parent == parent and process.name == "pulumi"
    ]
    victims = [number for leader in leaders for number in (leader, *session_of(leader))]
    for sent in (signal.SIGSTOP, signal.SIGKILL):
        for number in victims:
            with suppress(ProcessLookupError):
                os.kill(number, sent)


@dataclass(frozen=True)
class _Process:
    number: int
    name: str
    parent: int


def _processes() -> Iterator[_Process]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "stat").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name is in parentheses and may contain blanks.
        name, _, rest = text.partition("(")[2].rpartition(")")
        fields = rest.split()
        yield _Process(int(entry.name), name, parent=int(fields[1]))
