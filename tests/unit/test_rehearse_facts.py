"""What a rehearsal makes of the facts about RDS: each difference is named once, by the one fact that it is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rds_encrypt.rehearse.facts import FACTS, Answer, judge
from rds_encrypt.rehearse.limits import Limits
from tests.unit.rehearsals import COPY, Made, log, rename, whole

CONFORMANCE = Path(__file__).resolve().parents[1] / "conformance"
UNKNOWN = "RDS's procedure reports an error (1644 Replication is being serviced. Try again.)"


def answers(made: Made, limits: Limits | None = None) -> dict[str, tuple[Answer, str]]:
    judgements = judge(made.observations, made.measure(), limits)
    return {judgement.fact.name: (judgement.answer, judgement.observed) for judgement in judgements}


def different(made: Made, limits: Limits | None = None) -> dict[str, str]:
    by_fact = answers(made, limits)
    return {name: observed for name, (answer, observed) in by_fact.items() if answer is Answer.DIFFERENT}


def test_a_rehearsal_that_goes_as_expected(tmp_path: Path) -> None:
    by_fact = answers(whole(tmp_path))
    assert {name for name, (answer, _) in by_fact.items() if answer is Answer.NOT_OBSERVED} == {
        "binlogs-without-retention"
    }
    assert {
        name: observed for name, (answer, observed) in by_fact.items() if answer is Answer.DIFFERENT
    } == {}
    assert by_fact["rename-time"][1] == "2 renames, 48.0 s to 80.0 s"
    assert by_fact["read-only"][1] == "after 0.4 s at most"


def test_nothing_was_observed(tmp_path: Path) -> None:
    assert {answer for answer, _ in answers(Made(tmp_path)).values()} == {Answer.NOT_OBSERVED}


def slow_rename(made: Made) -> None:
    rename(made, 2000, "db-E", COPY, f"{COPY}-encrypted", seconds=900)
    made.see(2000, "name", identifier=COPY, state="refused")


def late_fence(made: Made) -> None:
    made.move(3000, "3-rollback", "end", seconds=200.0, gap=80.0)
    made.cut_over(3000, "3-rollback", fenced=41)


def unknown_refusal(made: Made) -> None:
    made.call(3000, "mysql.rds_start_replication", 0.02, UNKNOWN, ok=False)


def unknown_status(made: Made) -> None:
    """For longer than a rename may take."""
    made.instance("db-E", (4000, COPY, "renaming"), (4040, COPY, "being-admired"))
    made.instance("db-E", (4740, COPY, "rebooting"), (4760, f"{COPY}-encrypted", "available"))
    made.see(4000, "name", identifier=COPY, state="refused")


def purge(made: Made) -> None:
    made.see(
        5000,
        "binlogs",
        id="db-S",
        first="mysql-bin-changelog.000008",
        last="mysql-bin-changelog.000009",
        hours=24,
    )


DEVIATIONS: dict[str, tuple[Callable[[Made], None], str]] = {
    "rename-time": (slow_rename, "3 renames, 48.0 s to 15 min 00 s"),
    "read-only": (late_fence, "rollback: after 20.0 s to 41.0 s"),
    "refusal-texts": (
        unknown_refusal,
        "`mysql.rds_start_replication`: “Replication is being serviced. Try again.”",
    ),
    "instance-statuses": (
        unknown_status,
        "`being-admired` for 11 min 40 s during a rename (renaming, being-admired, rebooting)",
    ),
    "binlog-retention": (
        purge,
        "4 files went 1 h 18 min after the first observation, with a retention of 24 h",
    ),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_one_deviation_is_one_difference(tmp_path: Path, name: str) -> None:
    made = whole(tmp_path)
    deviate, observed = DEVIATIONS[name]
    deviate(made)
    assert different(made) == {name: observed}


def test_all_deviations_together_are_as_many_differences(tmp_path: Path) -> None:
    made = whole(tmp_path)
    for deviate, _ in DEVIATIONS.values():
        deviate(made)
    assert set(different(made)) == set(DEVIATIONS)


def test_a_fence_that_was_called_off_before_it_closed(tmp_path: Path) -> None:
    made = whole(tmp_path)
    made.move(3000, "4-cutover", "failed")
    made.report(
        "4-cutover", "cutover.json", log(3000, {"fence_requested": 3000, "fence_lifted": 3030}, "aborted")
    )
    assert different(made) == {"read-only": "cutover: not within 30.0 s"}


def test_the_old_name_keeps_answering(tmp_path: Path) -> None:
    made = whole(tmp_path)
    rename(made, 2000, "db-E", COPY, f"{COPY}-encrypted", seconds=60)
    made.see(2040, "name", identifier=COPY, state="unresolved")
    assert different(made) == {"old-name": "the old name answered for 40.0 s after the status had changed"}


def test_a_name_that_is_taken_between_two_polls_says_nothing(tmp_path: Path) -> None:
    made = whole(tmp_path)
    rename(made, 2000, "db-E", COPY, f"{COPY}-encrypted", seconds=4)
    assert different(made) == {}


def test_other_statuses_of_a_rename(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.instance("db-S", (0, COPY, "available"), (1, COPY, "rebooting"), (2, f"{COPY}-old", "renaming"))
    made.instance("db-S", (3, f"{COPY}-old", "upgrading"), (4, f"{COPY}-old", "available"))
    assert different(made) == {"rename-statuses": "renaming, upgrading"}


def test_the_first_backup_comes_after_available(tmp_path: Path) -> None:
    made, name = Made(tmp_path), f"{COPY}-encrypted"
    made.instance("db-E", (0, name, "creating"), (1, name, "available"), (2, name, "backing-up"))
    assert different(made) == {"first-backup": "creating, available, backing-up"}


def test_a_backup_that_a_modification_has_caused(tmp_path: Path) -> None:
    made, name = Made(tmp_path), f"{COPY}-encrypted"
    made.instance("db-E", (0, name, "creating"), (1, name, "available"), (2, name, "modifying"))
    made.instance("db-E", (3, name, "backing-up"), (4, name, "available"))
    assert answers(made)["first-backup"][0] is Answer.NOT_OBSERVED


@pytest.mark.parametrize(
    ("answer", "ok", "name"),
    [
        (
            "RDS's procedure reports an error (1644 Replication may already be running. Call rds_stop_replication)",
            False,
            None,
        ),
        ("the connection was lost during a statement (2013 Lost connection)", False, None),
        (
            "MySQL answered 1305: PROCEDURE mysql.rds_start_replication does not exist",
            False,
            "procedure-names",
        ),
        (
            "MySQL answered 1694: Cannot modify @@session.sql_log_bin inside a transaction",
            False,
            "refusal-number",
        ),
        ("Slave is already stopped", True, "success-texts"),
        ("Replica running normally.", True, None),
        ("", True, None),
    ],
)
def test_answers_of_procedures(tmp_path: Path, answer: str, *, ok: bool, name: str | None) -> None:
    made = Made(tmp_path)
    made.call(0, "mysql.rds_start_replication", 3.0, answer, ok=ok)
    assert list(different(made)) == ([name] if name else [])


def test_an_external_source_that_answers(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.call(0, "mysql.rds_set_external_source", 3.0, "done")
    assert different(made) == {"external-source": "“done”"}


def test_one_slow_call_of_many_is_a_busy_machine(tmp_path: Path) -> None:
    made = Made(tmp_path)
    for seconds in (3.0, 30.0, 3.1):
        made.call(0, "mysql.rds_stop_replication", seconds, "Slave is now down or disabled")
    assert different(made) == {}
    for _ in range(3):
        made.call(0, "mysql.rds_stop_replication", 30.0, "Slave is now down or disabled")
    assert different(made) == {"start-and-stop": "`mysql.rds_stop_replication` 30.00 s"}


@pytest.mark.parametrize(
    ("hours", "later", "name"),
    [
        ((24, 24), 60, "binlog-retention"),
        ((1, 1), 4000, None),
        ((None, 24), 60, None),
        ((24, None), 60, None),
        ((None, None), 60, None),
    ],
)
def test_files_that_go(
    tmp_path: Path, hours: tuple[int | None, int | None], later: float, name: str | None
) -> None:
    """After the retention, or while there is none, RDS may purge."""
    made = Made(tmp_path)
    for at, first, kept in ((0.0, "a.000998", hours[0]), (later, "a.001002", hours[1])):
        made.see(at, "binlogs", id="db-S", first=first, last="a.001002", hours=kept)
    assert list(different(made)) == ([name] if name else [])
    purged = answers(made)["binlogs-without-retention"]
    assert purged == ((Answer.AS_EXPECTED, "4 files") if hours == (None, None) else (Answer.NOT_OBSERVED, ""))


def test_an_unknown_status_that_comes_again_is_told_once(tmp_path: Path) -> None:
    made = Made(tmp_path)
    for at, lasts in ((0, 3), (100, 5)):
        made.instance(
            "db-S",
            (at, COPY, "available"),
            (at + 1, COPY, "being-admired"),
            (at + 1 + lasts, COPY, "available"),
        )
    assert different(made) == {
        "instance-statuses": "`being-admired` 2 times, for 5.0 s at most, during a change (being-admired)"
    }


def test_a_snapshot_status(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.see(0, "snapshot", identifier="a", status="pondering", gib=1, encrypted=False, progress=0)
    assert different(made) == {"snapshot-statuses": "`pondering`"}


def test_limits_can_be_changed_by_name(tmp_path: Path) -> None:
    made = whole(tmp_path)
    assert list(different(made, Limits().with_changes(["rename=60"]))) == ["rename-time"]
    with pytest.raises(ValueError, match="there is no limit 'renames'; there are old_name, read_only"):
        Limits().with_changes(["renames=5"])


def test_the_table_of_facts() -> None:
    """Each name is unique, each conformance test exists, and each limit has a name."""
    assert len({fact.name for fact in FACTS}) == len(FACTS)
    for fact in FACTS:
        if fact.test is not None:
            file, _, test = fact.test.partition("::")
            assert f"def {test}(" in (CONFORMANCE / file).read_text(encoding="utf-8"), fact.name
    assert {fact.limit for fact in FACTS if fact.limit} == set(Limits.__dataclass_fields__)
