"""The files of a rehearsal: observations and journal outlive a killed process; the lock keeps a second rehearsal out."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rds_encrypt.core.errors import ActionRequired, ProcedureRefused
from rds_encrypt.core.waiting import silent
from rds_encrypt.mysql.procedure_trace import TRACE, traced
from rds_encrypt.rehearse import lock
from rds_encrypt.rehearse.journal import Journal
from rds_encrypt.rehearse.lock import locked
from rds_encrypt.rehearse.observations import Observations


def test_observations_are_read_in_the_order_of_the_clock_without_a_half_written_line(tmp_path: Path) -> None:
    observations = Observations(tmp_path / "observations.jsonl")
    observations.record("move", move="1-replicate", event="begin")
    with observations.path.open("a") as file:
        file.write('{"at": "2020-01-01T00:00:00.000+00:00", "kind": "name", "state": "open"}\n{"at": "20')
    assert [observation.kind for observation in observations] == ["name", "move"]
    (move,) = observations.of("move")
    assert (move["move"], move["event"]) == ("1-replicate", "begin")


def test_a_trace_has_the_answer_and_never_the_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observations = Observations(tmp_path / "observations.jsonl")
    monkeypatch.setenv(TRACE, str(observations.path))
    with traced("db.example", "mysql.rds_start_replication") as answer:
        answer.text = "Replication started."
    with pytest.raises(ProcedureRefused), traced("db.example", "mysql.rds_stop_replication"):
        raise ProcedureRefused("MySQL refused it (1644)")
    calls = observations.of("procedure")
    assert [(call["procedure"], call["ok"], call["answer"]) for call in calls] == [
        ("mysql.rds_start_replication", True, "Replication started."),
        ("mysql.rds_stop_replication", False, "MySQL refused it (1644)"),
    ]


def test_without_a_rehearsal_nothing_is_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACE, raising=False)
    monkeypatch.chdir(tmp_path)
    with traced("db.example", "mysql.rds_start_replication"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_journal_knows_what_is_done_until_the_end(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "rehearsal")
    assert not kept.exists
    kept.begin("orders", "rds:orders-1")
    kept.note_done("copy")
    kept.note_done("1-replicate")
    assert Journal(kept.directory).done == ["copy", "1-replicate"]
    assert Journal(kept.directory).snapshot == "rds:orders-1"
    kept.end()
    assert not kept.exists


def holder(lock: int) -> subprocess.Popen[bytes]:
    """A process that has inherited the lock and waits."""
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock])


def test_what_a_killed_rehearsal_has_started_is_ended_before_the_next_begins(tmp_path: Path) -> None:
    with locked(tmp_path, silent) as descriptor:
        orphan = holder(descriptor)
    messages: list[str] = []
    with locked(tmp_path, messages.append):
        assert orphan.wait(5) == -signal.SIGKILL
    assert messages[0] == "ending the Pulumi of a rehearsal that was killed"


def test_an_orphan_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    monkeypatch.setattr(lock, "_end_holders", lambda _file: None)
    with locked(tmp_path, silent) as descriptor:
        orphan = holder(descriptor)
    with (
        pytest.raises(ActionRequired, match="the Pulumi of a killed rehearsal still runs"),
        locked(tmp_path, silent),
    ):
        pass
    orphan.communicate(b"\n")
    with locked(tmp_path, silent):
        pass


def test_a_second_rehearsal_in_the_same_directory_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with locked(tmp_path, silent) as descriptor:
        child = holder(descriptor)
        with pytest.raises(ActionRequired, match="another rehearsal runs there"), locked(tmp_path, silent):
            pass
        assert child.poll() is None
        child.communicate(b"\n")
