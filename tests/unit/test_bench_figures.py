from __future__ import annotations

from dataclasses import replace

from dev.bench.figures import Bench, Pair, Run
from dev.workload.writer import Accounting, Gap, Write

KEPT = Accounting(acknowledged=1_000, lost=(), duplicates=(), unacknowledged=2)
OURS = Run(outage=Gap(100.0, 110.5), accounting=KEPT, rate=300.0, writes=[Write("1", 0, 100.0, 5_100.0)])
RUNBOOK = replace(OURS, outage=Gap(100.0, 112.0), accounting=replace(KEPT, lost=("7", "8")))
BENCH = Bench("8.0.31", "rename", floors=[9.0, 10.0, 14.0], pairs=[Pair(OURS, RUNBOOK)])


def with_ours(**changes: object) -> Bench:
    return replace(BENCH, pairs=[Pair(replace(OURS, **changes), RUNBOOK)])  # type: ignore[arg-type]


def test_all_as_promised_is_no_sentence() -> None:
    assert BENCH.broken_promises() == []


def test_the_floor_is_the_median_of_the_bare_renames() -> None:
    assert BENCH.floor == 10.0


def test_the_json_has_the_figures_of_both_roads_and_nothing_else() -> None:
    assert BENCH.as_json() == {
        "engine_version": "8.0.31",
        "floor_seconds": 10.0,
        "pairs": [
            {
                "ours": {
                    "outage_seconds": 10.5,
                    "acknowledged_writes": 1000,
                    "lost_writes": 0,
                    "duplicated_writes": 0,
                },
                "runbook": {
                    "outage_seconds": 12.0,
                    "acknowledged_writes": 1000,
                    "lost_writes": 2,
                    "duplicated_writes": 0,
                },
            }
        ],
    }


def test_a_lost_write_of_ours_breaks_a_promise_and_one_of_the_runbook_does_not() -> None:
    assert with_ours(accounting=replace(KEPT, lost=("9",))).broken_promises() == [
        "pair 1: ours lost 1 acknowledged writes"
    ]


def test_a_write_that_arrived_twice_breaks_a_promise() -> None:
    assert with_ours(accounting=replace(KEPT, duplicates=("9",))).broken_promises() == [
        "pair 1: ours has 1 writes twice"
    ]


def test_a_rename_may_take_a_tenth_more_than_the_floor() -> None:
    assert with_ours(outage=Gap(0.0, 11.0)).broken_promises() == []
    (sentence,) = with_ours(outage=Gap(0.0, 11.1)).broken_promises()
    assert sentence == "pair 1: our outage of 11.10 s is longer than 1.10 × the floor (11.00 s)"


def test_a_change_of_the_record_may_take_two_seconds_whatever_the_floor_is() -> None:
    by_record = replace(with_ours(outage=Gap(0.0, 2.5)), strategy="dns")
    assert by_record.broken_promises() == ["pair 1: our outage of 2.50 s is longer than 2 s (2.00 s)"]


def test_an_outage_longer_than_that_of_the_runbook_breaks_a_promise() -> None:
    quick = replace(RUNBOOK, outage=Gap(0.0, 10.4))
    (sentence,) = replace(BENCH, pairs=[Pair(OURS, quick)]).broken_promises()
    assert sentence == "pair 1: our outage of 10.50 s is longer than the runbook's (10.40 s)"


def test_a_writer_that_was_too_slow_proves_nothing() -> None:
    (sentence,) = with_ours(rate=150.0).broken_promises()
    assert "reached only 150 of 200 writes/s" in sentence
