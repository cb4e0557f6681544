"""The step that catches up, on both engines: durability while it is far behind, afterwards, and after a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from dev.sandbox import Sandbox
from dev.workload.workspace import ROOT
from providers.catch_up import CatchUpArgs, CatchUpProvider
from providers.step import StepContext
from rds_encrypt.access import Access, AccessSettings, endpoint_of
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import silent
from rds_encrypt.durability import RELAXED
from rds_encrypt.mysql import accounts, channel
from rds_encrypt.mysql.coordinates import current
from rds_encrypt.reports.files import DIRECTORY
from tests.conformance.account import PASSWORD, Account
from tests.waiting import PATIENCE, until

DURABLE = dict.fromkeys(RELAXED, "1")
FLUSH = "innodb_flush_log_at_trx_commit"
VARIABLE = "CATCH_UP_PASSWORD"

INPUTS = {"hours": 1, "relax_above": 0, "access": {"environment": VARIABLE}}
CHILD = """
import json, sys
from tests.sandbox.test_catch_up import step
step(json.loads(sys.argv[1]), sys.argv[2])
"""


def world(authority: str) -> StepContext:
    aws = Aws(AwsSettings(region=os.environ["AWS_REGION"], profile=None))
    return StepContext(aws, Access(aws, AccessSettings(environment=VARIABLE, ca_file=authority)), silent)


def step(inputs: dict[str, Any], authority: str) -> dict[str, Any]:
    return CatchUpProvider().perform(world(authority), CatchUpArgs.from_inputs(inputs))


@dataclass(frozen=True)
class Pair:
    """A source, and an instance restored from its snapshot that follows it, on a clone of its owner's parameter group."""

    account: Account
    source: str
    encrypted: str
    groups: tuple[str, str]

    @property
    def authority(self) -> str:
        return self.account.ca

    @property
    def inputs(self) -> dict[str, Any]:
        return {**INPUTS, "source_id": self.source, "encrypted_id": self.encrypted}

    def write(self, instance: str, text: str) -> None:
        self.account.rows(instance, "INSERT INTO t (text) VALUES (%s)", text)

    def live(self) -> dict[str, str]:
        """What is in effect on the instance that follows."""
        shown = ", ".join(f"@@GLOBAL.{name} AS {name}" for name in RELAXED)
        rows = self.account.rows(self.encrypted, f"SELECT {shown}")
        return {name: str(value) for name, value in rows[0].items()}

    def in_groups(self) -> list[dict[str, tuple[str, str]]]:
        """What the owner's group and the clone say, with the methods by which that is applied."""
        groups = [
            self.account.rds.describe_db_parameters(DBParameterGroupName=group, Source="user")
            for group in self.groups
        ]
        return [
            {
                parameter["ParameterName"]: (parameter["ParameterValue"], parameter["ApplyMethod"])
                for parameter in group["Parameters"]
            }
            for group in groups
        ]

    @contextmanager
    def far_behind(self) -> Iterator[None]:
        """Let the source write what the other cannot apply for the length of a ``with`` block."""
        with self.account.sql(self.account.see(self.encrypted)["Endpoint"]["Address"]) as cursor:
            cursor.execute("LOCK TABLES t READ")
            self.write(self.source, "x" * 100_000)
            yield


@pytest.fixture(scope="module", params=["8.0", "5.7"])
def pair(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**sandbox.settings(), VARIABLE: PASSWORD}.items():
            patch.setenv(name, value)
        patch.setenv(DIRECTORY, str(tmp_path_factory.mktemp("reports")))
        yield following(Account.of(sandbox), request.param)


def following(account: Account, engine: str) -> Pair:
    """The owner has set one of the two parameters himself: that is to be put back, the other to be reset."""
    name = f"behind-{engine.replace('.', '')}"
    groups = (f"{name}-owner", f"{name}-encrypted")
    for group in groups:
        account.set_parameters(account.group(group, f"mysql{engine}"), **{FLUSH: "1"})
    settings = {"EngineVersion": engine, "BackupRetentionPeriod": 1, "DBParameterGroupName": groups[0]}
    source = account.make(name, **settings)["DbiResourceId"]
    account.rows(source, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, text MEDIUMTEXT)")
    account.rows(source, "CALL mysql.rds_set_configuration('binlog retention hours', 24)")
    place = world(account.ca)
    with place.session(source) as session:
        follower, at = accounts.issue(session, accounts.REPLICATION_USER), current(session)
    account.snapshot(f"{name}-s", name)
    encrypted = account.restore(
        f"{name}-encrypted", f"{name}-s", BackupRetentionPeriod=1, DBParameterGroupName=groups[1]
    )
    place.instances.wait_until_available(encrypted, deadline=120, progress=silent)
    with place.session(encrypted) as session:
        channel.attach(session, endpoint_of(place.instances.get(source)), follower, at)
        channel.start(session)
    return Pair(account, source, encrypted, groups)


def test_it_is_relaxed_while_far_behind_and_put_back_when_level(pair: Pair) -> None:
    before = pair.in_groups()
    done: list[dict[str, Any]] = []
    with pair.far_behind():
        run = threading.Thread(target=lambda: done.append(step(pair.inputs, pair.authority)), daemon=True)
        run.start()
        until(pair.live, lambda live: live == RELAXED)
        assert pair.in_groups()[0] == before[0], "the owner's group is never touched"
    run.join(PATIENCE)
    assert [outputs["relaxed"] for outputs in done] == [list(RELAXED)]
    assert (pair.live(), pair.in_groups()) == (DURABLE, before)


@pytest.mark.parametrize("limit", [None, 1024])
def test_it_stays_as_it_is_when_that_is_off_or_it_is_not_far_behind(
    sandbox: Sandbox, pair: Pair, limit: int | None
) -> None:
    pair.write(pair.source, "x")
    before = len(sandbox.calls())
    assert step({**pair.inputs, "relax_above": limit}, pair.authority)["relaxed"] == []
    asked = {call["action"] for call in sandbox.calls()[before:]}
    assert asked.isdisjoint({"ModifyDBParameterGroup", "ResetDBParameterGroup"})


@pytest.mark.parametrize("limit", [0, None])
def test_what_a_killed_run_left_is_put_back_by_the_next(pair: Pair, limit: int | None) -> None:
    before = pair.in_groups()
    with pair.far_behind():
        command = [sys.executable, "-c", CHILD, json.dumps(pair.inputs), pair.authority]
        with subprocess.Popen(command, cwd=ROOT) as child:
            try:
                until(pair.live, lambda live: live == RELAXED)
            finally:
                child.kill()
        assert child.returncode == -signal.SIGKILL
    assert pair.live() == RELAXED, "nobody has put it back yet"

    step({**pair.inputs, "relax_above": limit}, pair.authority)

    assert (pair.live(), pair.in_groups()) == (DURABLE, before)


def test_it_is_put_back_when_replication_breaks(pair: Pair) -> None:
    before = pair.in_groups()
    failed: list[Exception] = []

    def run() -> None:
        try:
            step(pair.inputs, pair.authority)
        except ActionRequired as error:
            failed.append(error)

    # What the source will write next is there already: the applier stops at it.
    pair.write(pair.encrypted, "not from the source")
    thread = threading.Thread(target=run, daemon=True)
    with pair.far_behind():
        thread.start()
        until(pair.live, lambda live: live == RELAXED)
    thread.join(PATIENCE)
    assert len(failed) == 1
    assert (pair.live(), pair.in_groups()) == (DURABLE, before)
