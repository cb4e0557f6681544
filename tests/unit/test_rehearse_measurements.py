"""What a rehearsal's observations and reports are measured as."""

from __future__ import annotations

from pathlib import Path

import pytest

from rds_encrypt.rehearse.measurements import Measurements, NameGap, Range, Writes
from tests.unit.rehearsals import COPY, NOON, VERIFICATION, Made, log, rename, whole


@pytest.fixture
def measured(tmp_path: Path) -> Measurements:
    return whole(tmp_path).measure()


def test_each_operation_has_its_kind_time_and_statuses(measured: Measurements) -> None:
    operations = [
        (operation.kind, operation.identifier.removeprefix(COPY), operation.seconds, operation.names)
        for operation in measured.operations
    ]
    assert operations == [
        ("create", "", 300, ("creating",)),
        ("replica", "-not-encrypted", 300, ("creating",)),
        ("snapshot", "-not-encrypted", 60, ("creating",)),
        ("copy", "-encrypted", 60, ("creating",)),
        ("restore", "-encrypted", 300, ("creating", "modifying", "backing-up")),
        ("rename", "", 80, ("renaming", "rebooting")),
        ("rename", "-encrypted", 48, ("renaming", "rebooting")),
    ]
    assert [status.seconds for status in measured.of("restore")[0].statuses] == [200, 50, 50]
    assert measured.seconds("rename") == Range(48, 64, 80)
    assert measured.seconds("stop") is None


def test_a_rename_knows_both_names(measured: Measurements) -> None:
    assert [(operation.identifier, operation.becomes) for operation in measured.of("rename")] == [
        (COPY, f"{COPY}-old"),
        (f"{COPY}-encrypted", COPY),
    ]


def test_rates_and_hydration(measured: Measurements) -> None:
    assert measured.rate("copy") == 100
    assert measured.rate("restore") == 20
    assert measured.hydration == 400
    assert measured.gib == 100


def test_procedures(measured: Measurements) -> None:
    procedures = {procedure.name.removeprefix("mysql.rds_"): procedure for procedure in measured.procedures}
    stop = procedures["stop_replication"]
    assert (stop.calls, stop.refused, stop.seconds) == (2, 1, Range(3.03, 3.03, 3.03))
    assert stop.answers == ("Slave is now down or disabled",)
    assert "1644 Slave is already stopped" in stop.refusals[0]


def test_a_cutover_has_the_program_s_bounds_and_the_writer_s_gap(measured: Measurements) -> None:
    (cutover,) = measured.cutovers
    assert (cutover.move, cutover.verb, cutover.complete) == ("2-cutover", "cutover", True)
    assert (cutover.at_most, cutover.renames) == (100, 94)
    assert cutover.at_least == pytest.approx(99.6)
    assert cutover.writer_gap == 99.8
    # The writer still wrote 0.2 s after the request; the program saw the fence 0.4 s after it.
    assert (cutover.read_only_at_least, cutover.read_only_at_most) == (0.2, 0.4)
    assert measured.outage == Range(100, 100, 100)


def test_an_attempt_that_was_called_off_counts_once_and_is_no_outage_of_a_cutover(tmp_path: Path) -> None:
    made = whole(tmp_path)
    aborted = log(3000, {"fence_requested": 3000, "fence_lifted": 3030}, "aborted")
    made.move(2990, "4-cutover", "begin")
    made.move(3100, "4-cutover", "failed")
    made.report("4-cutover", "cutover.json", aborted)
    made.move(3200, "5-cutover", "begin")
    made.report("5-cutover", "cutover.json", log(3200, {}, "running", aborted))
    measured = made.measure()
    _, called_off, running = measured.cutovers
    assert (called_off.move, called_off.complete, called_off.at_most) == ("4-cutover", False, 30)
    assert (called_off.read_only_at_least, called_off.read_only_at_most) == (30, None)
    assert (running.move, running.at_most, running.read_only_at_least) == ("5-cutover", None, None)
    assert measured.outage == Range(100, 100, 100)


def test_a_name_that_first_answers_had_no_gap(measured: Measurements) -> None:
    (gap,) = measured.gaps
    assert gap.seconds == 93


def test_a_verification_counts_once(measured: Measurements) -> None:
    (verification,) = measured.verifications
    assert (verification.move, verification.rows_per_second) == ("1-replicate", 50_000)


def test_a_resumed_verification_has_no_speed(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.move(0, "1-replicate", "end", seconds=1.0, gap=0.1)
    made.report("1-replicate", "verification.json", {**VERIFICATION, "chunks_resumed": 7})
    assert made.measure().verifications == ()


def test_writes(measured: Measurements) -> None:
    assert measured.writes == Writes(5000, 0, 0)


def test_nothing_was_observed(tmp_path: Path) -> None:
    measured = Made(tmp_path).measure()
    assert (measured.operations, measured.began, measured.outage, measured.writes) == ((), None, None, None)


def test_what_nothing_watched_has_no_duration(tmp_path: Path) -> None:
    """Killed in the middle of a rename, resumed an hour later."""
    made = Made(tmp_path)
    made.move(0, "2-cutover", "begin")
    made.see(0, "name", identifier=COPY, state="open")
    made.instance("db-S", (0, COPY, "available"), (10, COPY, "renaming"))
    made.see(10, "name", identifier=COPY, state="unresolved")
    made.move(3610, "2-cutover", "begin")
    made.instance("db-S", (3611, f"{COPY}-old", "available"))
    made.see(3612, "name", identifier=COPY, state="open")
    rename(made, 3700, "db-E", f"{COPY}-encrypted", COPY)
    measured = made.measure()
    assert [operation.seconds for operation in measured.of("rename")] == [None, 80]
    assert [gap.seconds for gap in measured.gaps] == [None]


def test_an_operation_that_follows_at_once_is_one_of_its_own(tmp_path: Path) -> None:
    """No poll saw the moment between a change of the group and the rename."""
    made = Made(tmp_path)
    made.instance("db-E", (0, COPY, "available"), (1, COPY, "modifying"))
    made.instance("db-E", (5, f"{COPY}-old", "renaming"), (9, f"{COPY}-old", "available"))
    made.instance("db-E", (20, f"{COPY}-old", "deleting"), (50, f"{COPY}-old", None))
    operations = [
        (operation.kind, operation.seconds, operation.becomes) for operation in made.measure().operations
    ]
    assert operations == [("change", 4, f"{COPY}-old"), ("rename", 4, f"{COPY}-old"), ("delete", 30, None)]


def test_what_has_not_ended_has_no_duration(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.see(0, "name", identifier=COPY, state="open")
    made.see(5, "name", identifier=COPY, state="refused")
    made.instance("db-E", (0, f"{COPY}-encrypted", "creating"))
    measured = made.measure()
    assert [
        (operation.kind, operation.seconds, operation.gib_per_minute) for operation in measured.operations
    ] == [("restore", None, None)]
    assert [gap.seconds for gap in measured.gaps] == [None]
    assert measured.gaps[0] == NameGap(measured.ended or NOON, None)
