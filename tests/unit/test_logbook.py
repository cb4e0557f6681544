"""The log of a cutover: what survives an interruption, what is kept of an attempt that was called off, and the table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.direction import cutover_direction, rollback_direction
from rds_encrypt.cutover.protocol import Outcome
from rds_encrypt.cutover.timeline import CheckResult, Moment, Timeline, moments_from, outage
from rds_encrypt.journal import Tag
from rds_encrypt.names import Names
from rds_encrypt.reports.files import DIRECTORY, Files
from rds_encrypt.reports.logbook import Logbook
from rds_encrypt.reports.table import WORDS, summary, table
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.unit.fakes import instance

NAMES = Names("orders")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
OUTCOME = Outcome("uuid", "b.000009:400", (), ())


class Place(CutoverContext):
    """A context that only has tags."""

    tags: Mapping[str, str] = {}

    def encrypted(self) -> Any:
        return instance("orders-encrypted", tags=self.tags)


def place(tags: Mapping[str, str] | None = None, *, back: bool = False) -> Place:
    direction = (rollback_direction if back else cutover_direction)(NAMES, "db-S", "db-E")
    nowhere = cast(Any, None)
    strategy = cast(Any, type("Renaming", (), {"renames": True}))
    made = Place(
        nowhere, nowhere, NAMES, direction, "orders-mysql80", strategy, CutoverSettings(), VerifySettings()
    )
    object.__setattr__(made, "tags", tags or {})
    return made


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files("orders", directory=tmp_path / "build")


def book(context: CutoverContext, files: Files) -> Logbook:
    return Logbook(context, files, before={}, sentence=str)


def written(files: Files, suffix: str = "cutover.json") -> dict[str, Any]:
    content = files.read_json(suffix)
    assert content is not None
    return content


def fail(context: CutoverContext, files: Files, error: BaseException, *moments: Moment) -> None:
    """Let an attempt fail after it has reached some moments."""
    with book(context, files).kept():
        marked(context, *moments)
        raise error


def marked(context: CutoverContext, *moments: Moment) -> None:
    for moment in moments:
        context.timeline.mark(moment)


UNTIL_MOVING = (Moment.FENCE_REQUESTED, Moment.FENCED, Moment.DRAINED, Moment.PROMOTED, Moment.CUTOVER_BEGAN)


def test_a_cut_over_that_is_complete_is_written_down(files: Files) -> None:
    context = place()
    context.timeline.read([CheckResult("instances-available", passed=True, saw="both are")])
    log = book(context, files)
    with log.kept():
        marked(context, *UNTIL_MOVING, Moment.FIRST_RENAMED, Moment.SECOND_RENAMED, Moment.OPEN)
        log.complete(OUTCOME)

    saved = written(files)
    assert (saved["outcome"], saved["server_uuid"], saved["identifier"]) == ("complete", "uuid", "orders")
    times = list(moments_from(saved["moments"]).values())
    assert times == sorted(times)
    assert set(saved["write_outage"]) == {"at_least", "at_most", "ours", "renames"}
    assert saved["guards"] == [
        {"name": "instances-available", "green": True, "saw": "both are", "forced": False, "accepted": None}
    ]
    assert files.path("cutover.json") == log.path


def test_what_a_killed_run_wrote_down_is_there_at_each_moment(files: Files) -> None:
    context = place()
    with book(context, files).kept():
        for number, moment in enumerate(UNTIL_MOVING, 1):
            marked(context, moment)
            assert list(written(files)["moments"]) == [str(reached) for reached in UNTIL_MOVING[:number]]
            assert written(files)["outcome"] == "running"


def test_one_that_was_called_off_says_why_and_that_the_fence_was_lifted(files: Files) -> None:
    moments = (Moment.FENCE_REQUESTED, Moment.FENCED, Moment.FENCE_LIFTED)
    with pytest.raises(TimedOut):
        fail(place(), files, TimedOut("it took too long", where="orders"), *moments)

    saved = written(files)
    assert (saved["outcome"], saved["error"]) == ("aborted", "orders: it took too long.")
    assert saved["write_outage"]["renames"] == 0
    # The moments are real ones, and the machine may be busy.
    assert re.search(r"Writes were refused for \d\.\d s at most\.", table(saved))


def test_one_that_a_check_stopped_says_that_writes_were_never_refused(files: Files) -> None:
    with pytest.raises(ActionRequired):
        fail(place(), files, ActionRequired("a check failed"))
    assert written(files)["moments"] == {}
    assert "Writes were never refused." in table(written(files))


def test_the_fence_is_lifted_only_if_it_was_closed() -> None:
    timeline = Timeline()
    timeline.mark(Moment.FENCE_LIFTED)
    assert timeline.moments == {}


def test_a_run_that_goes_on_has_the_moments_from_before_the_interruption(files: Files) -> None:
    first = place()
    first.timeline.read([CheckResult("instances-available", passed=True, saw="both are")])
    with pytest.raises(ActionRequired):
        fail(first, files, ActionRequired("a rename failed"), *UNTIL_MOVING)
    before = written(files)
    assert before["outcome"] == "unfinished"

    tags: dict[str, str] = {Tag.CUTOVER_BEGAN: datetime.now(UTC).isoformat(timespec="seconds")}
    second = place(tags)
    log = book(second, files)
    with log.kept():
        marked(second, Moment.OPEN)
        log.complete(OUTCOME)

    after = written(files)
    assert after["moments"].items() >= before["moments"].items()
    assert after["write_outage"]["at_most"] > 0
    assert (after["began"], after["guards"]) == (before["began"], before["guards"])
    assert after["earlier"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"losing": "db-another"},
        {"moments": {"fenced": (NOON - timedelta(hours=1)).isoformat()}},
        {"moments": {}},
    ],
)
def test_moments_of_another_attempt_are_not_taken_over(files: Files, change: dict[str, Any]) -> None:
    of_this = {"losing": "db-S", "winning": "db-E", "moments": {"fenced": NOON.isoformat()}}
    files.write_json("cutover.json", {**of_this, "began": NOON.isoformat(), "guards": [], **change})
    context = place({Tag.CUTOVER_BEGAN: NOON.isoformat()})
    log = book(context, files)

    assert log.content["moments"] == {"swap_began": "2026-11-24T12:00:00.000+00:00"}
    assert log.content["write_outage"] is None
    assert "is unknown" in summary(log.content)
    assert len(log.content["earlier"]) == 1


def test_an_attempt_that_begins_anew_keeps_the_former_ones(files: Files) -> None:
    for number in range(3):
        with pytest.raises(ActionRequired):
            fail(place(), files, ActionRequired(f"veto {number}"))
    assert [attempt["error"] for attempt in written(files)["earlier"]] == ["veto 0.", "veto 1."]
    assert all("earlier" not in attempt for attempt in written(files)["earlier"])


def test_a_lost_file_is_made_up_for_by_the_tags_as_far_as_they_know(files: Files) -> None:
    tags: dict[str, str] = {
        Tag.CUTOVER_BEGAN: NOON.isoformat(),
        Tag.OPENED: (NOON + timedelta(minutes=3)).isoformat(),
    }
    log = book(place(tags), files)
    assert list(log.content["moments"]) == ["swap_began", "open"]


def test_a_tag_from_before_a_way_there_and_back_is_no_moment(files: Files) -> None:
    tags: dict[str, str] = {
        Tag.CUTOVER_BEGAN: "x",
        Tag.ROLLBACK_BEGAN: NOON.isoformat(),
        Tag.ROLLED_BACK: (NOON - timedelta(days=1)).isoformat(),
    }
    log = book(place(tags, back=True), files)
    assert list(log.content["moments"]) == ["swap_began"]


def test_a_rollback_has_a_file_of_its_own(files: Files) -> None:
    log = book(place(back=True), files)
    with log.kept():
        log.complete(OUTCOME)
    assert files.read_json("cutover.json") is None
    assert written(files, "rollback.json")["verb"] == "rollback"


def test_a_fence_of_an_earlier_step_is_where_the_outage_begins(files: Files) -> None:
    context = place()
    before = {"fence_requested": NOON.isoformat(), "fenced": (NOON + timedelta(seconds=1)).isoformat()}
    log = Logbook(context, files, before=before, sentence=str)
    marked(context, *UNTIL_MOVING, Moment.OPEN)
    assert next(iter(log.content["moments"].values())) == "2026-11-24T12:00:00.000+00:00"
    assert log.content["write_outage"]["at_most"] - log.content["write_outage"]["at_least"] == pytest.approx(
        1
    )


def test_a_file_that_cannot_be_written_is_a_warning_and_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("in the way")
    warnings: list[str] = []
    context = place()
    with book(context, Files("orders", warnings.append, tmp_path / "build")).kept():
        marked(context, Moment.FENCE_REQUESTED)
    assert len(warnings) == 2
    assert "could not write" in warnings[0]


def test_half_a_file_is_none(files: Files) -> None:
    files.write("cutover.json", '{"moments": {')
    assert files.read_json("cutover.json") is None


@pytest.mark.parametrize(
    "content",
    [
        {"losing": "db-S", "winning": "db-E", "moments": {"fenced": NOON.isoformat()}},
        {"losing": "db-S", "winning": "db-E", "moments": {"unheard_of": NOON.isoformat()}},
        {"losing": "db-S", "winning": "db-E", "moments": {"fenced": "noon"}},
        {"earlier": 5},
    ],
)
def test_a_file_that_is_not_understood_does_not_keep_a_cut_over_from_going_on(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    warnings: list[str] = []
    files = Files("orders", warnings.append, tmp_path)
    files.write_json("cutover.json", content)
    begun: dict[str, str] = {} if "earlier" in content else {Tag.CUTOVER_BEGAN: NOON.isoformat()}
    context = place(begun)
    log = book(context, files)
    with log.kept():
        log.complete(OUTCOME)
    assert "cannot parse" in warnings[0]
    assert written(files)["outcome"] == "complete"


def test_files_lie_in_build_or_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)
    assert str(Files("orders").path("cutover.json")) == "build/orders-cutover.json"
    monkeypatch.setenv(DIRECTORY, "/reports")
    assert str(Files("orders").path("cutover.json")) == "/reports/orders-cutover.json"


def test_the_outage_has_two_bounds_and_what_aws_took_of_it() -> None:
    seconds = {"fence_requested": 0, "fenced": 1, "swap_began": 2, "second_renamed": 92, "open": 93}
    moments = {Moment(name): NOON + timedelta(seconds=after) for name, after in seconds.items()}
    write_outage = outage(moments)
    assert write_outage is not None
    assert write_outage.as_outputs() == {"at_least": 92, "at_most": 93, "ours": 3, "renames": 90}
    assert outage({Moment.OPEN: NOON}) is None


def test_the_table_fits_a_terminal_and_is_read_by_the_clock() -> None:
    seconds = {"fence_requested": 0, "fenced": 0.4, "swap_began": 1.5, "second_renamed": 183, "open": 184.2}
    moments = {Moment(name): NOON + timedelta(seconds=after) for name, after in seconds.items()}
    refused = outage(moments)
    assert refused is not None
    log = {
        "identifier": "orders",
        "verb": "cutover",
        "outcome": "complete",
        "mode": "replicate",
        "moments": {str(moment): when.isoformat() for moment, when in moments.items()},
        "write_outage": refused.as_outputs(),
    }
    lines = table(json.loads(json.dumps(log))).splitlines()
    assert lines[0] == "Cutover of orders: complete"
    assert max(map(len, lines[:-1])) <= 80
    assert lines[4].split() == [
        "fenced:",
        "writes",
        "are",
        "refused",
        "2026-11-24",
        "12:00:00.400",
        "0.400",
        "s",
    ]
    assert lines[-1] == "Writes were refused for 3 min 04 s at most, of which AWS's renames took 3 min 02 s."


def test_every_moment_has_words() -> None:
    assert set(WORDS) == set(Moment)
