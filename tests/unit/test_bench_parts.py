"""The figures of the cutover and the verification, as lines of the suite."""

from __future__ import annotations

from dataclasses import replace

from dev.bench import catch_up, cutover, verification
from dev.bench.catch_up import CatchUpFigures
from dev.bench.figures import Bench, Pair, Run
from dev.bench.lines import Line, sentences
from dev.bench.verification import Figure, Way
from rds_encrypt.rehearse.writer import Accounting, Gap

KEPT = Accounting(acknowledged=1_000, lost=(), duplicates=(), unacknowledged=2)
OURS = Run(outage=Gap(100.0, 110.5), accounting=KEPT, rate=300.0, writes=[])
RUNBOOK = replace(OURS, outage=Gap(100.0, 112.0), accounting=replace(KEPT, lost=("7", "8")))


def cut_over(*ours: Run, strategy: str = "rename") -> dict[str, Line]:
    pairs = [Pair(run, RUNBOOK) for run in ours]
    return {line.name: line for line in cutover.lines_of(Bench("8.0.31", strategy, [10.0], pairs))}  # type: ignore[arg-type]


def test_the_longest_outage_counts_beside_the_runbook_and_the_floor() -> None:
    lines = cut_over(OURS, replace(OURS, outage=Gap(100.0, 111.5)))
    assert lines["write outage, strategy `rename`"].ours == 11.5
    assert lines["write outage beside the floor, strategy `rename`"].ratio == 1.15
    assert sentences(list(lines.values())) == [
        "write outage beside the floor, strategy `rename`: 1.15 × two bare renames, nobody writing, and the limit is ≤ 1.1"
    ]


def test_by_record_the_outage_has_a_limit_of_its_own() -> None:
    lines = cut_over(replace(OURS, outage=Gap(100.0, 102.5)), strategy="dns")
    assert lines["write outage by itself, strategy `dns`"].complaint
    assert not any("floor" in name for name in lines)


def test_writes_lost_and_written_twice_are_counted_over_all_pairs() -> None:
    lines = cut_over(OURS, replace(OURS, accounting=replace(KEPT, lost=("1",), duplicates=("2",))))
    assert (
        lines["acknowledged writes lost, strategy `rename`"].ours,
        lines["acknowledged writes lost, strategy `rename`"].peer,
    ) == (1, 4)
    assert lines["acknowledged writes lost, strategy `rename`"].complaint
    assert lines["acknowledged writes that arrived twice, strategy `rename`"].complaint


def test_an_application_that_hardly_wrote_proves_nothing() -> None:
    assert cut_over(replace(OURS, rate=150.0))["the application's writes before, strategy `rename`"].complaint


def figure(way: Way, seconds: float, what: str = "orders, 1 table") -> Figure:
    return Figure(way, what, rows=1_000, bytes=4_000_000, seconds=seconds, cpu=seconds / 2)


FIGURES = [
    figure(Way.CHECKSUM, 1.0),
    figure(Way.ONE_SESSION, 1.25),
    figure(Way.TWO_SESSIONS, 0.8),
    figure(Way.CHECKSUM_IN_TURN, 2.0),
    figure(Way.CHECKSUM_AT_ONCE, 1.1),
    figure(Way.VERIFY, 2.2),
]


def test_speeds_are_ratios_of_rows_and_the_servers_time_is_told() -> None:
    lines = list(verification.lines_of(FIGURES))
    session, *_ = lines
    assert (session.ours, session.ratio) == (800.0, 0.8)
    assert any(line.unit == "MB/s" and line.peer == 2.0 for line in lines)
    assert any(line.unit == "s" and line.ours == 1.1 for line in lines)
    assert not sentences(lines)


def test_one_table_may_be_a_little_slower_and_several_may_not() -> None:
    several = [replace(one_table, what="orders, 4 tables") for one_table in FIGURES]
    assert not sentences(list(verification.lines_of(FIGURES)))
    assert len(sentences(list(verification.lines_of(several)))) == 1


def test_the_peer_that_is_not_installed_has_no_line() -> None:
    with_it = [*FIGURES, figure(Way.PERCONA, 6.0)]
    named = [line for line in verification.lines_of(with_it) if "pt-table" in (line.peer_name or "")]
    assert [line.unit for line in named] == ["rows/s", "s"]
    assert named[0].complaint
    assert not any("pt-table" in (line.peer_name or "") for line in verification.lines_of(FIGURES))


CAUGHT_UP = CatchUpFigures(
    engine="8.0",
    ours=4e6,
    peer=2e6,
    left_alone=1.8e6,
    left_alone_peer=2e6,
    transaction=1e3,
    settings={"sync_binlog": "0"},
    put_back=True,
)


def test_catching_up_is_measured_beside_the_plain_replica() -> None:
    relaxed, alone, left = catch_up.lines_of(CAUGHT_UP)
    assert (relaxed.ours, relaxed.ratio) == (4.0, 2.0)
    assert alone.ratio == 0.9
    assert (left.ours, left.complaint) == (0, None)


def test_a_setting_that_stays_changed_is_a_sentence() -> None:
    *_, left = catch_up.lines_of(replace(CAUGHT_UP, put_back=False))
    assert left.complaint == "catch-up, settings changed for it and not put back: 1, and the limit is ≤ 0"
