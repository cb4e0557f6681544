"""The report: the shape of build/demo.json, and every promise that it can find broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from dev.demo.report import Old, Phase, Replica, Report
from dev.demo.summary import show
from rds_encrypt.rehearse.writer import Accounting

KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
READER = Replica("orders-r1", encrypted=True, read_outage_seconds=2.345, reads=9_000, wrong_reads=0)
GOOD = Report(
    engine_version="8.0.31",
    phases=[Phase("replicate", 24.53, 18), Phase("cutover", 11.04, 19), Phase("cleanup", 9.0, 8)],
    writes=Accounting(acknowledged=12_345, lost=(), duplicates=(), unacknowledged=2),
    outage_seconds=4.567,
    identifier="orders",
    storage_encrypted=True,
    kms_key_id=KEY,
    kms_key_wanted=KEY,
    left_behind=[],
    old=Old("orders-old", "stopped", "2026-12-01", "orders-fence"),
    tables=7,
    seconds=120.0,
    replicas=[READER],
)


def test_a_good_run_breaks_no_promise() -> None:
    assert GOOD.broken_promises() == []


def test_the_json_has_exactly_the_agreed_shape() -> None:
    assert GOOD.as_json() == {
        "engine_version": "8.0.31",
        "phases": [
            {"phase": "replicate", "seconds": 24.5, "resources": 18},
            {"phase": "cutover", "seconds": 11.0, "resources": 19},
            {"phase": "cleanup", "seconds": 9.0, "resources": 8},
        ],
        "acknowledged_writes": 12_345,
        "lost_writes": 0,
        "outage_seconds": 4.57,
        "identifier": "orders",
        "storage_encrypted": True,
        "kms_key_id": KEY,
        "leftovers": [],
        "replicas": [
            {
                "name": "orders-r1",
                "encrypted": True,
                "read_outage_seconds": 2.35,
                "reads": 9_000,
                "wrong_reads": 0,
            }
        ],
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"writes": Accounting(5, ("demo-1-7", "demo-2-9"), (), 0)}, "2 acknowledged writes are lost"),
        ({"writes": Accounting(5, (), ("demo-1-7",), 0)}, "1 writes are there twice"),
        ({"writes": Accounting(0, (), (), 0)}, "no write was acknowledged"),
        ({"storage_encrypted": False, "kms_key_id": ""}, "orders is not encrypted"),
        ({"kms_key_id": "arn:other"}, f"with arn:other instead of {KEY}"),
        ({"left_behind": ["snapshot orders-encrypted"]}, "snapshot orders-encrypted"),
        ({"replicas": [replace(READER, encrypted=False)]}, "the replica orders-r1 is not encrypted"),
        ({"replicas": [replace(READER, reads=0)]}, "nothing was read from orders-r1"),
        ({"replicas": [replace(READER, wrong_reads=3)]}, "3 reads from orders-r1 saw the past"),
        ({"findings": ["after replicate something moved"]}, "after replicate something moved"),
    ],
)
def test_each_broken_promise_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    broken = replace(GOOD, **changes).broken_promises()
    assert len(broken) == 1
    assert words in broken[0]


def test_the_summary_fits_a_terminal_of_100_columns() -> None:
    console = Console(width=100, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        show(console, GOOD)
    text = captured.get()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    for words in ("12,345 acknowledged, 0 lost", "4.6 s", "orders-old", "2026-12-01", "nothing"):
        assert words in text
