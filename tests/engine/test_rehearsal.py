"""A whole rehearsal, with the rights of its own policy, against an RDS that deviates in five facts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dev.demo import inventory
from dev.demo.rehearsal import IDENTIFIER, Stage
from dev.workload.workspace import ROOT
from rds_encrypt.reports.files import DIRECTORY
from tests.engine import iam

# A whole rehearsal on a busy machine takes longer than a test may.
pytestmark = [pytest.mark.engine, pytest.mark.slow]

CALLER = "AKIAREHEARSAL"
DEVIATIONS = {"rename-time", "read-only", "refusal-texts", "instance-statuses", "binlog-retention"}
UNKNOWN = "Replication is being serviced. Try again."


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal that has ended."""

    stage: Stage
    output: str
    report: dict[str, Any]
    page: str
    left: list[str]
    changed: list[str]


def deviate(stage: Stage) -> None:
    """Let RDS do five things that rds-encrypt does not expect of it."""
    faults = stage.sandbox.faults
    faults.duration("rename", 4.5)
    faults.duration("read_only", 3)
    faults.duration("unheard", 1.5)
    faults.refuse_procedure("rds_stop_replication", UNKNOWN)
    faults.purge()


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    directory = tmp_path_factory.mktemp("rehearsal")
    with Stage.running(directory, engine="8.0", rows=2_000) as stage:
        before, since = stage.inventory(), len(stage.sandbox.calls())
        deviate(stage)
        environment = {
            **stage.environment,
            "AWS_ACCESS_KEY_ID": CALLER,
            "AWS_SECRET_ACCESS_KEY": "secret",
            DIRECTORY: str(directory / "build"),
        }
        done = subprocess.run(
            [*stage.command, "--yes", "--limit", "rename=4", "--limit", "read_only=2.5"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        report = directory / "build"
        yield Rehearsed(
            stage,
            done.stdout,
            json.loads((report / f"rehearsal-{IDENTIFIER}.json").read_text()),
            (report / f"rehearsal-{IDENTIFIER}.html").read_text(),
            inventory.left_behind(before, stage.inventory(), ()),
            stage.changes_of_source(since),
        )


def test_the_report_names_exactly_the_facts_in_which_rds_deviates(rehearsed: Rehearsed) -> None:
    facts = rehearsed.report["facts"]
    assert {name for name, fact in facts.items() if fact["answer"] == "different"} == DEVIATIONS
    for name in DEVIATIONS:
        assert f"({name})" in rehearsed.output
        assert name in rehearsed.page


def test_no_write_is_lost_in_two_cutovers_and_a_rollback(rehearsed: Rehearsed) -> None:
    writes = rehearsed.report["writes"]
    assert writes["acknowledged"] > 0
    assert (writes["lost"], writes["duplicates"]) == (0, 0)


def test_every_operation_that_plans_estimate_is_measured(rehearsed: Rehearsed) -> None:
    operations = rehearsed.report["operations"]
    for name in ("replica", "snapshot", "copy", "restore", "rename", "stop", "delete"):
        assert operations[name]["seconds"]["median"] > 0, name
    assert operations["rename"]["seconds"]["low"] > 4
    assert '"on": "20' in rehearsed.output


def test_everything_is_removed_and_the_source_was_only_looked_at(rehearsed: Rehearsed) -> None:
    assert rehearsed.left == []
    assert rehearsed.changed == []
    assert "security group orders-rehearsal" in rehearsed.output


def test_its_policy_allows_every_call_and_it_tells_nothing_private(rehearsed: Rehearsed) -> None:
    calls = rehearsed.stage.sandbox.calls()
    assert iam.follow(iam.Policy(iam.REHEARSAL), calls, CALLER) == []
    for private in (rehearsed.stage.seeded.master_password, rehearsed.stage.seeded.address, "arn:aws"):
        assert private not in rehearsed.page
        assert private not in json.dumps(rehearsed.report)
