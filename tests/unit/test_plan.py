"""The plan of a phase: what it says about each, and that its text fits a terminal and a comment on a pull request."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from rds_encrypt import lifecycle
from rds_encrypt.cutover.context import Move
from rds_encrypt.cutover.preview import CutoverPreview
from rds_encrypt.cutover.timeline import CheckResult
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.names import Names
from rds_encrypt.phases import Phase
from rds_encrypt.plan.estimates import RATES, Estimates, Operation, Span
from rds_encrypt.plan.phases import PhasePlan, plan
from rds_encrypt.plan.words import as_line, as_markdown, as_text
from rds_encrypt.settings import (
    CleanupSettings,
    CredentialSettings,
    CutoverSettings,
    DnsSettings,
    MeasuredSettings,
    PriceSettings,
    SourceSettings,
    VerifySettings,
)
from rds_encrypt.state import ENDED
from tests.unit.fakes import instance

NAMES = Names("orders")
DAY = date(2026, 12, 3)
SETTINGS = SourceSettings("orders", CredentialSettings(secret_id="orders/master"), kms_key="alias/databases")
BY_DNS = CutoverSettings(strategy="dns", dns=DnsSettings("Z1", "db.shop.internal"))
FATES: tuple[Literal["keep", "stop", "delete"], ...] = ("keep", "stop", "delete")
PREVIEW = CutoverPreview(
    checks=(
        CheckResult("instances-available", passed=True, saw="both instances are available"),
        CheckResult("no-long-transaction", passed=False, saw="sessions have had a transaction open | long"),
        CheckResult("free-storage", passed=False, saw="less than 5 %"),
    ),
    accept={"free-storage": "it is being archived"},
    undoable=("fence orders: read_only = 1", "promote orders-encrypted"),
    final=(
        Move("rename orders to orders-old", renames=True),
        Move("rename orders-encrypted to orders", renames=True),
        Move("confirm: which server answers"),
    ),
)


def topology_of(
    *, swapped: bool = False, opened: bool = False, replica: bool = True, **changes: Any
) -> Topology:
    """A source with an encrypted instance beside it, as far as that has come."""
    tags = tags_for(Role.ENCRYPTED, "db-ORDERS")
    tags |= {Tag.CUTOVER_BEGAN: "then"} if swapped else {}
    tags |= {Tag.OPENED: "then"} if opened else {}
    names = ("orders-old", "orders") if opened else ("orders", "orders-encrypted")
    return Topology(
        NAMES,
        instance(names[0], tags={Tag.OWNER: "a/b"}, DbiResourceId="db-ORDERS", **changes),
        instance(names[1], tags=tags, DbiResourceId="db-ENCRYPTED"),
        instance("orders-not-encrypted") if replica else None,
    )


def untouched(**changes: Any) -> Topology:
    return Topology(NAMES, instance(**changes), None)


def planned(
    topology: Topology,
    cutover_preview: CutoverPreview | None = None,
    phase: Phase = "replicate",
    **changes: Any,
) -> PhasePlan:
    phase_plan = plan(replace(SETTINGS, **changes), phase, topology, cutover_preview)
    assert phase_plan is not None
    return phase_plan


EVERY_PLAN = {
    "replicate": planned(untouched()),
    "replicate, not verified": planned(untouched(), verify=VerifySettings(level="off")),
    "cutover": planned(topology_of(), PREVIEW, "cutover"),
    "cutover by dns": planned(topology_of(), PREVIEW, "cutover", cutover=BY_DNS),
    "cutover, interrupted": planned(topology_of(swapped=True), PREVIEW, "cutover"),
    "rollback": planned(topology_of(swapped=True, opened=True), PREVIEW, "rollback"),
    "offline, replicate": planned(untouched(), method="offline"),
    "offline, cutover": planned(untouched(), method="offline", phase="cutover"),
    "offline, cutover by dns": planned(untouched(), method="offline", phase="cutover", cutover=BY_DNS),
    **{
        f"cleanup, {fate}": planned(
            topology_of(swapped=True, opened=True), phase="cleanup", cleanup=CleanupSettings(fate)
        )
        for fate in FATES
    },
}


@pytest.mark.parametrize("name", EVERY_PLAN)
def test_a_plan_fits_a_terminal_and_answers_every_question(name: str) -> None:
    text = as_text(EVERY_PLAN[name])
    # The preview indents by four.
    assert max(len(line) for line in text.splitlines()) <= 76
    for question in ("Moves, in this order:", "Expected write outage: ", "Additional cost: ", "Undo: "):
        assert question in text
    numbers = [int(number) for number in re.findall(r"^ +(\d+)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(EVERY_PLAN[name].stages) + 1))


@pytest.mark.parametrize("name", EVERY_PLAN)
def test_as_markdown_it_is_one_table_with_whole_rows(name: str) -> None:
    text = as_markdown(EVERY_PLAN[name], "orders", "x")
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 4, line
    assert text.count("estimates: AWS publishes none") == 1


@pytest.mark.parametrize(
    ("topology", "phase", "settings"),
    [
        (topology_of(), "replicate", SETTINGS),
        (topology_of(swapped=True, opened=True), "cutover", SETTINGS),
        (topology_of(swapped=True, opened=True), "cutover", replace(SETTINGS, method="offline")),
        (topology_of(), "rollback", SETTINGS),
        (topology_of(), "cleanup", SETTINGS),
        (
            Topology(NAMES, None, topology_of(opened=True).encrypted),
            "cleanup",
            replace(SETTINGS, cleanup=CleanupSettings("delete")),
        ),
    ],
)
def test_a_phase_that_is_reached_has_no_plan(
    topology: Topology, phase: Phase, settings: SourceSettings
) -> None:
    phase_plan = plan(settings, phase, topology)
    assert phase_plan is None
    assert "there is nothing to do" in as_markdown(phase_plan, "orders", phase)


def test_an_old_instance_that_is_retired_has_no_plan() -> None:
    topology = topology_of(swapped=True, opened=True, replica=False, DBInstanceStatus="stopped")
    assert topology.source is not None
    assert topology.encrypted is not None
    ended = instance("orders", tags={**topology.encrypted.tags, Tag.ROLLBACK_LOST: ENDED})
    retired = Topology(NAMES, topology.source, ended)
    assert plan(SETTINGS, "cleanup", topology) is not None
    assert plan(SETTINGS, "cleanup", retired) is None


def test_more_storage_takes_longer_and_is_billed() -> None:
    small, large = planned(untouched()), planned(untouched(AllocatedStorage=2000, StorageType="io2"))
    assert small.together.low < large.together.low
    assert small.together.high < large.together.high
    assert "2000 GiB io2" in large.billed
    assert "two snapshots of up to 2000 GiB" in large.billed


def test_a_standby_is_billed_for_the_encrypted_instance_only() -> None:
    billed = planned(untouched(MultiAZ=True)).billed
    assert billed.count("with a standby") == 1
    assert "with a standby" in billed.partition("(the replica)")[2]


def test_checks_are_shown_with_what_they_saw_and_why_they_are_accepted() -> None:
    text = as_text(EVERY_PLAN["cutover"])
    assert re.search(r"^  ok   instances-available: both", text, re.MULTILINE)
    assert re.search(r"^  FAIL no-long-transaction: ", text, re.MULTILINE)
    assert re.search(
        r"^  warn free-storage: less than 5 % \(accepted: it is being archived\)", text, re.MULTILINE
    )
    markdown = as_markdown(EVERY_PLAN["cutover"], "orders", "cutover")
    # Folded up, a failed one would be overlooked.
    assert "<details open><summary>Checks at that time: <b>1 of 3 failed</b></summary>" in markdown
    assert "| `no-long-transaction` | **FAIL** |" in markdown
    assert "| `free-storage` | warn | less than 5 % (accepted: it is being archived) |" in markdown


def test_the_point_of_no_return_stands_before_the_first_rename() -> None:
    lines = as_text(EVERY_PLAN["cutover"]).splitlines()
    (at,) = (number for number, line in enumerate(lines) if "── from here on" in line)
    assert "rename orders to orders-old" in lines[at + 1]
    assert lines[at + 1].endswith("1 to 10 min")


def test_a_swap_that_was_interrupted_asks_no_check_and_goes_on() -> None:
    text = as_text(EVERY_PLAN["cutover, interrupted"])
    assert "resumes where it stopped" in text
    assert "Checks" not in text
    assert "fence orders" not in text


def test_with_dns_no_rename_is_waited_for() -> None:
    assert "rename" not in EVERY_PLAN["cutover by dns"].outage
    assert EVERY_PLAN["offline, cutover by dns"].undo.endswith("orders keeps the data as it was")


def test_method_offline_says_beforehand_how_long_writes_will_be_refused() -> None:
    for name in ("offline, replicate", "offline, cutover"):
        assert "13 to 74 min (estimated)" in EVERY_PLAN[name].outage


def test_a_cleanup_names_what_is_left_by_what_it_is_called_now() -> None:
    assert EVERY_PLAN["cleanup, stop"].goal == "Only orders and orders-old will remain."
    assert EVERY_PLAN["cleanup, delete"].goal == "Only orders will remain."
    assert "Unencrypted data remains in snapshot orders-old-final" in as_text(EVERY_PLAN["cleanup, delete"])
    assert "refuses to delete the old instance until" in as_text(EVERY_PLAN["cleanup, delete"])


def test_with_prices_a_plan_says_what_an_hour_costs() -> None:
    """Two instances with 20 GiB each, two snapshots of as much: 2 x 0.068 + (40 x 0.115 + 40 x 0.095) / 730."""
    prices = PriceSettings(0.068, 0.115, 0.095)
    assert "about 0.15 USD an hour, or 3.54 a day" in planned(untouched(), prices=prices).billed
    # A standby is an instance with a volume of its own; in method `offline` there is no replica.
    wide = planned(untouched(MultiAZ=True), prices=PriceSettings(1, 0, 0, "EUR"))
    assert wide.billed.startswith("about 3.00 EUR an hour")
    alone = planned(untouched(), method="offline", phase="cutover", prices=PriceSettings(1, 0, 73))
    assert alone.billed.startswith("about 5.00 USD an hour")
    assert " an hour" not in planned(untouched()).billed


def test_a_retained_delete_in_the_preview_is_explained() -> None:
    for name in ("replicate", "cleanup, stop", "offline, replicate"):
        assert "delete[retain]" in as_text(EVERY_PLAN[name])


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(0, 30), "seconds"),
        (Span(60, 600), "1 to 10 min"),
        (Span(300, 1600), "5 to 27 min"),
        (Span(2400, 21600), "40 min to 6.0 h"),
        (Span(7200, 72000), "2.0 to 20 h"),
        (Span(240, 250), "about 4 min"),
        (Span(0.2, 0.2), "about 1 s"),
        (Span(95.4, 95.4), "about 95 s"),
        (Span(740, 740), "about 12 min"),
        (Span(8000, 8000), "about 2.2 h"),
    ],
)
def test_spans_read_well(span: Span, words: str) -> None:
    assert str(span) == words


def test_every_rate_is_a_range() -> None:
    for operation in RATES:
        for gib in (20, 16384):
            took = Estimates(gib).of(operation)
            assert 0 <= took.low < took.high
            assert took.estimated == {operation}
            assert not took.measured


def test_every_operation_can_be_measured() -> None:
    keys = {field.name for field in fields(MeasuredSettings)} - {"on"}
    assert keys == set(RATES) == set(get_args(Operation))
    for operation in RATES:
        took = Estimates(20, MeasuredSettings(DAY, **{operation: 95})).of(operation)
        assert took == Span(95, 95, measured=frozenset({operation}))


MEASURED: dict[Phase, tuple[dict[str, float], str, str]] = {
    "replicate": (
        {"replica": 700, "snapshot": 300, "copy": 500, "restore": 600, "rename": 95},
        "Times measured 2026-12-03 in a rehearsal.",
        "Estimated total: 35 to 36 min, plus the moves that vary",
    ),
    "cutover": (
        {"rename": 95},
        "Times measured 2026-12-03 in a rehearsal.",
        "Estimated total: 3 to 5 min",
    ),
    "cleanup": (
        {"stop": 200.0},
        "Times measured 2026-12-03 in a rehearsal; still estimated: delete.",
        "Estimated total: 6 to 25 min",
    ),
}


@pytest.mark.parametrize("phase", ["replicate", "cutover", "cleanup"])
def test_a_plan_has_the_times_of_a_rehearsal_and_says_so_once(phase: Phase) -> None:
    times, note, together = MEASURED[phase]
    topology, cutover_preview = {
        "replicate": (untouched(), None),
        "cutover": (topology_of(), PREVIEW),
        "cleanup": (topology_of(swapped=True, opened=True), None),
    }[phase]
    phase_plan = planned(topology, cutover_preview, phase, measured=MeasuredSettings(DAY, **times))
    text, markdown = as_text(phase_plan), as_markdown(phase_plan, "orders", phase)
    for shown in (text, markdown):
        assert shown.count(note) == 1
        assert shown.count("measured") == 1
        assert "AWS publishes none" not in shown
    assert together in text
    assert max(len(line) for line in text.splitlines()) <= 76


def test_a_measured_rename_is_part_of_the_outage() -> None:
    times = MeasuredSettings(DAY, rename=95)
    phase_plan = planned(topology_of(), PREVIEW, "cutover", measured=times)
    assert "AWS's two renames (about 95 s each;" in phase_plan.outage
    assert [str(stage.takes) for stage in phase_plan.stages if stage.what.startswith("rename")] == 2 * [
        "about 95 s"
    ]


def test_a_downtime_is_estimated_until_all_of_it_is_measured() -> None:
    times = MeasuredSettings(DAY, snapshot=100, copy=200, restore=300, rename=60)
    outage = planned(untouched(), method="offline", measured=times).outage
    assert outage == "none in this phase; in phase `cutover` about 12 min (measured)"
    partly = planned(untouched(), method="offline", measured=replace(times, copy=None)).outage
    assert partly.endswith("min (estimated)")


@pytest.mark.parametrize("measured", [MeasuredSettings(DAY), MeasuredSettings(DAY, copy=500)])
def test_a_rehearsal_that_measured_nothing_of_a_plan_is_not_mentioned(measured: MeasuredSettings) -> None:
    phase_plan = planned(topology_of(), PREVIEW, "cutover", measured=measured)
    assert phase_plan == EVERY_PLAN["cutover"]
    assert "rehearsal" not in as_text(phase_plan) + as_markdown(phase_plan, "orders", "cutover")


def test_a_measured_copy_decides_whether_binlogs_last() -> None:
    times = MeasuredSettings(DAY, snapshot=100, copy=80 * 3600, restore=300)
    (note,) = planned(untouched(), measured=times).notes
    assert "may take longer (about 80 h) than the source keeps binlogs (72 h)" in note
    assert not planned(untouched(AllocatedStorage=8_000), measured=replace(times, copy=3600)).notes


@pytest.mark.parametrize(("gib", "hours", "noted"), [(20, 72, False), (8_000, 72, True), (8_000, 168, False)])
def test_binlogs_that_may_go_before_they_are_fetched_are_told(gib: int, hours: int, *, noted: bool) -> None:
    phase_plan = planned(untouched(AllocatedStorage=gib), binlog_retention_hours=hours)
    assert bool(phase_plan.notes) is noted
    if noted:
        assert "may take longer (4.7 to 92 h) than the source keeps binlogs (72 h)" in phase_plan.notes[0]


@pytest.mark.parametrize("name", EVERY_PLAN)
def test_a_plan_among_many_is_one_line(name: str) -> None:
    phase_plan = EVERY_PLAN[name]
    line = as_line(phase_plan, Path("build/orders-plan.md"))
    assert "\n" not in line
    assert line.startswith(f"Plan for orders, phase `{phase_plan.phase}`: {len(phase_plan.stages)} moves")
    assert f"Expected write outage: {phase_plan.outage.rstrip('.')}." in line
    assert line.endswith("Full plan: build/orders-plan.md")
    assert "Full plan" not in as_line(phase_plan, None)


def test_a_red_check_that_nobody_accepted_is_not_left_to_a_line() -> None:
    phase_plan = EVERY_PLAN["cutover"]
    assert phase_plan.stopped
    assert not replace(phase_plan, cutover_preview=replace(PREVIEW, checks=PREVIEW.checks[::2])).stopped
    assert not EVERY_PLAN["offline, cutover"].stopped


@pytest.mark.parametrize(
    ("changes", "whose"),
    [
        ({}, "each of these 2 instances"),
        ({"method": "offline", "phase": "cutover"}, "this instance"),
        ({"prices": PriceSettings(1, 0, 0)}, "each of these 2 instances"),
    ],
)
def test_extended_support_is_among_the_costs_of_every_instance_that_is_made(
    changes: dict[str, Any], whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "today", lambda: date(2026, 8, 1))
    billed = planned(untouched(), **changes).billed
    assert (
        f"RDS Extended Support (by vCPU and hour; MySQL 8.0 left standard support on 2026-07-31) for {whose}"
        in billed
    )
    assert "Extended Support (" not in planned(untouched(EngineVersion="8.4.3"), **changes).billed
    monkeypatch.setattr(lifecycle, "today", lambda: date(2026, 7, 31))
    assert "Extended Support (" not in planned(untouched(), **changes).billed
